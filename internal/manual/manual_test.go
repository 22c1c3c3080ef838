package manual_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/manual"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

func run(*cobra.Command, []string) {}

// program has a command line with everything that Markdown and roff could take for markup.
func program() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do it", Long: "tool does it, *at once*.\n.hidden_files_too <id>\n\nIn C:\\temp.\n\n  key  value", Run: run}
	root.SetHelpCommand(&cobra.Command{Use: "help", Run: run})
	do := &cobra.Command{Use: "do THING", Short: "Do one thing", Example: "  tool do \"this\"\n'quoted", Run: run}
	do.Flags().StringP("output", "o", "text", "`FORMAT` of what is printed")
	do.Flags().Bool("secret", false, "hidden")
	_ = do.Flags().MarkHidden("secret")
	root.AddCommand(do, manual.Command(manual.Section{Title: "EXIT STATUS", Text: func() string { return "0  all is well\n1  it is not" }}))
	return root
}

func TestCommandWritesPages(t *testing.T) {
	t.Parallel()
	mandoc := process.Need(t, "T2G_TEST_MANDOC", "mandoc")
	folder, root := t.TempDir(), program()
	root.SetArgs([]string{"manual", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(folder + "/*"); len(found) != 2 {
		t.Errorf("got %v, want no pages but tool.1 and tool-do.1", found)
	}
	for page, wanted := range map[string][]string{
		"tool.1":    {"tool - Do it", "tool does it, *at once*.  .hidden_files_too <id>", "In C:\\temp.", "key  value\n", "EXIT STATUS", "0  all is well\n", "tool-do(1)"},
		"tool-do.1": {"tool do THING [flags]", "Do one thing", "-o, --output=\"text\"", "FORMAT of what is printed", "tool do \"this\"\n", "'quoted\n"},
	} {
		path := filepath.Join(folder, page)
		if out, err := exec.Command(mandoc, "-T", "lint", "-W", "error", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", page, err, out)
		}
		out, err := exec.Command(mandoc, "-T", "utf8", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		shown := regexp.MustCompile(`.\x08`).ReplaceAllString(string(out), "") // bold on a line printer
		for _, want := range wanted {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: got\n%s\nwant %q", page, shown, want)
			}
		}
		if strings.Contains(shown, "secret") || strings.Contains(shown, "manual(1)") {
			t.Errorf("%s: got\n%s\nwant nothing hidden", page, shown)
		}
	}
}
