package manual_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/token2go/token2go/internal/manual"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

func run(*cobra.Command, []string) {}

// program has a command line with everything that roff could take for its own.
func program() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do it", Long: "tool does it.\n.hidden files, too\n\nIn C:\\temp.", Run: run}
	root.SetHelpCommand(&cobra.Command{Use: "help", Run: run})
	do := &cobra.Command{Use: "do THING", Short: "Do one thing", Example: "  tool do \"this\"\n'quoted", Run: run}
	do.Flags().StringP("output", "o", "text", "`FORMAT` of what is printed")
	do.Flags().Bool("dry-run", false, "only say what would be done")
	do.Flags().Bool("secret", false, "not for everybody")
	_ = do.Flags().MarkHidden("secret")
	root.AddCommand(do, manual.Command(manual.Section{Title: "EXIT STATUS", Text: func() string { return "0  all is well\n1  it is not" }}))
	return root
}

func page(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	root := program()
	root.SetOut(&out)
	root.SetArgs([]string{"manual"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestThePageHoldsWhatTheCommandLineSays(t *testing.T) {
	got := page(t)
	for _, want := range []string{
		".TH \"TOOL\" \"1\" \"\" \"tool\"\n.SH \"NAME\"\ntool \\- Do it\n",
		"tool does it.\n\\&.hidden files, too\n.PP\nIn C:\\etemp.\n",
		".SH \"COMMANDS\"\n.SS \"do THING [flags]\"\nDo one thing.\n",
		".TP\n\\-o, \\-\\-output FORMAT\nFORMAT of what is printed (default text)\n",
		".TP\n\\-\\-dry\\-run\nonly say what would be done\n",
		".nf\n  tool do \"this\"\n\\&'quoted\n.fi\n",
		".SH \"EXIT STATUS\"\n.nf\n0  all is well\n1  it is not\n.fi\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
	for _, unwanted := range []string{"secret", "manual", "help for do"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("got\n%s\nwant nothing of %q", got, unwanted)
		}
	}
}

func TestManHasNothingToSayAgainstThePage(t *testing.T) {
	mandoc := process.Need(t, "T2G_TEST_MANDOC", "mandoc")
	// That the page has no date is meant: it would make two builds differ.
	lint := exec.Command(mandoc, "-T", "lint", "-W", "warning")
	lint.Stdin = strings.NewReader(page(t))
	if out, err := lint.CombinedOutput(); err != nil && strings.Count(string(out), "\n") != strings.Count(string(out), "missing date") {
		t.Errorf("%v: %s", err, out)
	}
	shown := exec.Command(mandoc, "-T", "ascii")
	shown.Stdin = strings.NewReader(page(t))
	out, err := shown.Output()
	if err != nil || !strings.Contains(string(out), "C:\\temp") || !strings.Contains(string(out), ".hidden files") {
		t.Errorf("got %v: %s", err, out)
	}
}
