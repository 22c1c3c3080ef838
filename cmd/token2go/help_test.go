package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/cli"
)

func TestHelpOfEveryCommandHasExamplesAndFitsATerminal(t *testing.T) {
	t.Parallel()
	const widest = 110
	for _, c := range append(command(new(cli.Env)).Commands(), command(new(cli.Env))) {
		if slices.Contains([]string{"help", "completion", "manual"}, c.Name()) { // not ours to word
			continue
		}
		if c.Long == "" || !strings.Contains(c.Example, "token2go") {
			t.Errorf("%s has no help with an example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.UsageString()) {
			if strings.Contains(line, "(default )") {
				t.Errorf("%s: no default in %s", c.CommandPath(), line)
			}
			if width := len([]rune(strings.TrimRight(line, "\n"))); width > widest {
				t.Errorf("%s: %d columns, want at most %d: %s", c.CommandPath(), width, widest, line)
			}
		}
	}
}

// An example that does not parse would be worse than none.
func TestHelpExamplesParse(t *testing.T) {
	t.Parallel()
	found := 0
	for _, c := range command(new(cli.Env)).Commands() {
		for line := range strings.Lines(c.Example) {
			_, call, is := strings.Cut(strings.TrimRight(line, "\n)\""), "token2go ")
			if !is || strings.Contains(line, "#") || strings.Contains(line, "!token2go") {
				continue
			}
			call, _, _ = strings.Cut(call, " | ")
			call, _, _ = strings.Cut(call, " && ")
			call, _, _ = strings.Cut(call, ")")
			root := command(new(cli.Env))
			about, rest, err := root.Find(strings.Fields(call))
			if err == nil {
				err = about.ParseFlags(rest)
			}
			if err == nil {
				err = about.ValidateArgs(about.Flags().Args())
			}
			if err != nil || about == root {
				t.Errorf("%s: %v", line, err)
			}
			found++
		}
	}
	if found < 20 {
		t.Errorf("found %d examples, want those of every command", found)
	}
}

func TestDocsListTheExitCodes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/clients-ci.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(cli.ExitCodes()) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		if row := "| " + code + " | " + strings.TrimSpace(meaning) + " |"; !strings.Contains(string(text), row) {
			t.Errorf("the docs lack %s", row)
		}
	}
}
