// Package manual writes what a program's command line says of itself as pages for man(1).
package manual

import (
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Section is text for the program's own page that the command line does not hold, such
// as the exit codes.
type Section struct {
	Title string        // in capitals, by convention
	Text  func() string // printed line by line
}

// Command makes a hidden command that writes the manual of the program it is added to:
// a page for the program, and one for each of its commands.
func Command(sections ...Section) *cobra.Command {
	return &cobra.Command{
		Use:    "manual FOLDER",
		Short:  "Write the manual pages",
		Long:   "manual writes this program's pages for man(1) into a folder.",
		Hidden: true,
		Args: func(_ *cobra.Command, arguments []string) error {
			if len(arguments) != 1 {
				return errors.New("want one folder")
			}
			return nil
		},
		RunE: func(c *cobra.Command, arguments []string) error {
			return Write(arguments[0], c.Root(), sections...)
		},
	}
}

// Write writes the manual pages of a program, section 1, into a folder that exists. It
// changes the program's texts, so nothing else can be done with it afterwards.
func Write(folder string, program *cobra.Command, sections ...Section) error {
	program.DisableAutoGenTag = true
	program.InitDefaultHelpCmd()
	for _, c := range program.Commands() {
		c.Hidden = c.Hidden || c.Name() == "help" || c.Name() == "completion"
	}
	prepare(program)
	for _, s := range sections {
		program.Long += "\n\n# " + s.Title + "\n\n" + fenced(s.Text())
	}
	header := &doc.GenManHeader{Section: "1", Source: program.Name(), Manual: program.Name(), Date: built()}
	return doc.GenManTree(program, header, folder)
}

// prepare makes Markdown of plain text, which is what cobra takes a long text for.
func prepare(c *cobra.Command) {
	paragraphs := strings.Split(strings.TrimSpace(c.Long), "\n\n")
	for i, paragraph := range paragraphs {
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			paragraphs[i] = fenced(paragraph)
		} else {
			paragraphs[i] = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", "#", `\#`).Replace(paragraph)
		}
	}
	c.Long = strings.Join(paragraphs, "\n\n")
	for _, below := range c.Commands() {
		prepare(below)
	}
}

func fenced(text string) string { return "```\n" + strings.Trim(text, "\n") + "\n```" }

// built returns the time of the commit, so that two builds write the same pages, or nil
// where it is not known.
func built() *time.Time {
	build, _ := debug.ReadBuildInfo()
	if build == nil {
		return nil
	}
	for _, setting := range build.Settings {
		if at, err := time.Parse(time.RFC3339, setting.Value); setting.Key == "vcs.time" && err == nil {
			return &at
		}
	}
	return nil
}
