// Package manual writes what a program's command line says of itself as a page for man(1).
//
// It is made from the commands that the program has, so that page and program are of one
// version; nobody writes it by hand.
package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Section is text that the command line does not hold, such as the exit codes.
type Section struct {
	Title string        // in capitals, as is the custom
	Text  func() string // shown as it is, line by line
}

// Command makes a hidden command that prints the manual of the program it is added to.
func Command(sections ...Section) *cobra.Command {
	return &cobra.Command{
		Use:    "manual",
		Short:  "Print the manual page",
		Long:   "manual prints this program's page for man(1), in roff.",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return Write(c.OutOrStdout(), c.Root(), sections...)
		},
	}
}

// Write writes the manual page of a program, section 1.
func Write(w io.Writer, program *cobra.Command, sections ...Section) error {
	p := &page{name: program.Name()}
	p.macro("TH", strings.ToUpper(p.name), "1", "", p.name)
	p.macro("SH", "NAME")
	p.text(p.name + " - " + program.Short)
	p.macro("SH", "SYNOPSIS")
	p.synopsis(program)
	p.macro("SH", "DESCRIPTION")
	p.text(about(program))
	p.flags(program, func() { p.macro("SH", "OPTIONS") })
	p.examples(program)
	if visible := commands(program); len(visible) > 0 {
		p.macro("SH", "COMMANDS")
		for _, c := range visible {
			p.command(c)
		}
	}
	for _, s := range sections {
		p.macro("SH", s.Title)
		p.verbatim(s.Text())
	}
	_, err := io.WriteString(w, p.String())
	return err
}

// commands lists those that a person may call, each before its own.
func commands(of *cobra.Command) (all []*cobra.Command) {
	for _, c := range of.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "completion" {
			all = append(append(all, c), commands(c)...)
		}
	}
	return all
}

func about(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

// page is a manual in the making.
type page struct {
	strings.Builder
	name string
}

// macro writes a line that roff acts on, with its arguments quoted.
func (p *page) macro(name string, arguments ...string) {
	p.WriteString("." + name)
	for _, argument := range arguments {
		p.WriteString(` "` + strings.ReplaceAll(escape(argument), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

// text writes paragraphs, which roff fills anew.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.macro("PP")
		}
		p.lines(paragraph)
	}
}

// verbatim writes lines that stay as they are.
func (p *page) verbatim(text string) {
	p.macro("nf")
	p.lines(strings.Trim(text, "\n"))
	p.macro("fi")
}

func (p *page) lines(text string) {
	for line := range strings.Lines(text) {
		line = escape(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line // else it would be a macro
		}
		p.WriteString(line + "\n")
	}
}

// escape makes roff print what is written: a hyphen that can be copied into a shell, and
// a backslash.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
}

func (p *page) synopsis(c *cobra.Command) {
	p.macro("nf")
	p.lines(c.UseLine())
	if c.HasAvailableSubCommands() {
		p.lines(c.CommandPath() + " command")
	}
	p.macro("fi")
}

func (p *page) command(c *cobra.Command) {
	p.macro("SS", strings.TrimPrefix(c.UseLine(), p.name+" "))
	p.text(about(c))
	p.flags(c, func() {})
	p.examples(c)
}

// flags writes a command's own flags, where it has any, after a heading.
func (p *page) flags(c *cobra.Command, heading func()) {
	c.InitDefaultHelpFlag()
	shown := false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || c.HasParent() && f.Name == "help" {
			return
		}
		if !shown {
			heading()
			shown = true
		}
		p.macro("TP")
		kind, usage := pflag.UnquoteUsage(f)
		p.lines(spelled(f, kind))
		p.lines(usage + initially(f))
	})
}

func spelled(f *pflag.Flag, kind string) string {
	text := "--" + f.Name
	if f.Shorthand != "" {
		text = "-" + f.Shorthand + ", " + text
	}
	if kind != "" {
		text += " " + kind
	}
	return text
}

func initially(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]", "0s":
		return ""
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

func (p *page) examples(c *cobra.Command) {
	if c.Example != "" {
		p.macro("PP")
		p.verbatim(c.Example)
	}
}
