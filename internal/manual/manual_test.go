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

// Markdown and roff could take much of this text for markup.
func TestCommandWritesPages(t *testing.T) {
	t.Parallel()
	mandoc := process.Need(t, "T2G_TEST_MANDOC", "mandoc")
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "tool", Short: "Do it", Long: "tool does it, *at once*.\n.hidden_files_too <id>\n\nIn C:\\temp.\n\n  key  value", Run: run}
	do := &cobra.Command{Use: "do THING", Short: "Do one thing", Example: "  tool do \"this\"\n'quoted", Run: run}
	do.Flags().StringP("output", "o", "text", "`FORMAT` of what is printed")
	do.Flags().Bool("secret", false, "hidden")
	_ = do.Flags().MarkHidden("secret")
	root.AddCommand(do, manual.Command(manual.Section{Title: "EXIT STATUS", Text: func() string { return "0  all is well" }}))
	folder := t.TempDir()
	root.SetArgs([]string{"manual", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for page, wanted := range map[string][]string{
		"tool.1":    {"tool - Do it", "tool does it, *at once*.  .hidden_files_too <id>", "In C:\\temp.", "key  value\n", "EXIT STATUS", "0  all is well\n", "tool-do(1)"},
		"tool-do.1": {"tool do THING [flags]", "Do one thing", "-o, --output=\"text\"", "FORMAT of what is printed", "tool do \"this\"\n", "'quoted\n"},
	} {
		out, err := exec.Command(mandoc, "-T", "utf8", "-W", "error,stop", filepath.Join(folder, page)).CombinedOutput()
		shown := regexp.MustCompile(`.\x08`).ReplaceAllString(string(out), "") // bold on a line printer
		for _, want := range wanted {
			if err != nil || !strings.Contains(shown, want) || strings.Contains(shown, "secret") {
				t.Errorf("%s: got %v and\n%s\nwant %q", page, err, shown, want)
			}
		}
	}
}
