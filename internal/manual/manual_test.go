package manual_test

import (
	"os/exec"
	"path/filepath"
	"slices"
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
	do.Flags().Bool("secret", false, "not for everybody")
	_ = do.Flags().MarkHidden("secret")
	root.AddCommand(do, manual.Command(manual.Section{Title: "EXIT STATUS", Text: func() string { return "0  all is well\n1  it is not" }}))
	return root
}

func write(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	root := program()
	root.SetArgs([]string{"manual", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestCommandWritesAPageForEachVisibleCommand(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(write(t), "*"))
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	if want := []string{"tool-do.1", "tool.1"}; err != nil || !slices.Equal(paths, want) {
		t.Errorf("got %v and %v, want %v", paths, err, want)
	}
}

func TestPagesShowWhatTheCommandLineSays(t *testing.T) {
	t.Parallel()
	mandoc := process.Need(t, "T2G_TEST_MANDOC", "mandoc")
	folder := write(t)
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
		shown := overstrike(string(out))
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

// overstrike takes away the backspaces that make text bold on a line printer.
func overstrike(text string) string {
	var shown []rune
	for _, r := range text {
		if r == '\b' && len(shown) > 0 {
			shown = shown[:len(shown)-1]
		} else if r != '\b' {
			shown = append(shown, r)
		}
	}
	return string(shown)
}
