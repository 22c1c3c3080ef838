package cli

import "errors"

var errQuoting = errors.New("quotes that do not end")

// role is what a byte of a command is to a shell.
type role uint8

const (
	plain   role = iota // outside of quotes
	literal             // part of a word, whatever it is
	syntax              // a quote or a backslash, which is no part of the word
)

// roles reads quotes as a POSIX shell does. Without escapes, as on Windows, a backslash is a
// letter. The error is of quotes that do not end.
func roles(text string, escapes bool) ([]role, error) {
	found := make([]role, len(text))
	open := byte(0) // the quote that has to be closed
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\' && escapes && open != '\'' && i+1 == len(text):
			return found, errQuoting
		case b == '\\' && escapes && (open == 0 || open == '"' && (text[i+1] == '"' || text[i+1] == '\\')):
			found[i], found[i+1] = syntax, literal
			i++
		case open == 0 && (b == '\'' || b == '"'):
			found[i], open = syntax, b
		case open != 0 && b == open:
			found[i], open = syntax, 0
		case open != 0:
			found[i] = literal
		}
	}
	if open != 0 {
		return found, errQuoting
	}
	return found, nil
}

// splitUnquoted splits a text at separators outside of quotes.
func splitUnquoted(text string, separator byte, escapes bool) []string {
	found, _ := roles(text, escapes) // the last part has quotes that do not end
	var parts []string
	begin := 0
	for i := range len(text) {
		if text[i] == separator && found[i] == plain {
			parts, begin = append(parts, text[begin:i]), i+1
		}
	}
	return append(parts, text[begin:])
}

// shellWords splits a command into words and removes the quotes. Nothing is expanded.
func shellWords(text string, escapes bool) ([]string, error) {
	found, err := roles(text, escapes)
	if err != nil {
		return nil, err
	}
	var words []string
	within := false
	for i := range len(text) {
		space := found[i] == plain && (text[i] == ' ' || text[i] >= '\t' && text[i] <= '\r')
		if !space && !within {
			words = append(words, "")
		}
		within = !space
		if within && found[i] != syntax {
			words[len(words)-1] += text[i : i+1]
		}
	}
	return words, nil
}
