package config

import (
	"fmt"
	"io"
	"strings"
)

const helpColumns = 88

// WriteHelp writes the table as plain text of at most 100 columns, for --help.
func WriteHelp(w io.Writer) error {
	feature := ""
	for i, v := range Variables() {
		entry := helpEntry(v)
		if v.Feature != feature {
			entry = v.Feature + ":\n" + entry
			if i > 0 {
				entry = "\n" + entry
			}
			feature = v.Feature
		}
		if _, err := io.WriteString(w, entry); err != nil {
			return err
		}
	}
	return nil
}

func helpEntry(v Variable) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", v.Name)
	text := "Allowed: " + v.Allowed + "."
	paragraphs := []string{v.Meaning, text, "Default: " + defaultText(v) + ".", "Example: " + v.Example}
	for _, paragraph := range paragraphs {
		for _, line := range wrapped(paragraph, helpColumns-6) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
	}
	return b.String()
}

func defaultText(v Variable) string {
	if v.Default == "" {
		return "none"
	}
	return v.Default
}

// wrapped breaks a text at blanks and after commas, so that long lists of names fit.
func wrapped(text string, columns int) []string {
	var lines []string
	line := ""
	for _, piece := range strings.SplitAfter(strings.ReplaceAll(text, ",", ",\x00"), "\x00") {
		for _, word := range strings.SplitAfter(strings.TrimSuffix(piece, "\x00"), " ") {
			if len(strings.TrimSpace(line+word)) > columns {
				lines = append(lines, strings.TrimSpace(line))
				line = ""
			}
			line += word
		}
	}
	return append(lines, strings.TrimSpace(line))
}

// Markdown is a section with a table for every feature, without the markers around them.
func Markdown() string {
	var b strings.Builder
	feature := ""
	for _, row := range table() {
		if row.Feature != feature {
			fmt.Fprintf(&b, "\n### %s\n\n| variable | default | allowed | meaning |\n|---|---|---|---|\n", row.Feature)
			feature = row.Feature
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s; e.g. `%s` | %s |\n",
			row.Name, markdownDefault(row), escaped(row.Allowed), row.Example, escaped(row.Meaning))
	}
	return b.String() + "\n"
}

func markdownDefault(row row) string {
	switch {
	case row.unset == "":
		return escaped(row.Default)
	case strings.Contains(row.unset, ","):
		return "`" + strings.ReplaceAll(row.unset, ",", "`, `") + "`"
	}
	return "`" + row.unset + "`"
}

// escaped keeps a text's asterisks, bars, underscores and angle brackets as they are.
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "~", `\~`).Replace(text)
}
