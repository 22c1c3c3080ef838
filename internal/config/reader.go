package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/secret"
)

// reader turns texts into values and collects what is wrong.
type reader struct {
	rows   map[string]row
	texts  map[string]string
	faults Faults
}

func newReader(environment variables) *reader {
	r := &reader{rows: map[string]row{}, texts: environment.texts()}
	for _, row := range table() {
		r.rows[row.Name] = row
	}
	return r
}

// parse converts what was given for a variable, or its default. The reason of a
// refusal is the converter's error, which never quotes the text: shown decides that.
func parse[T any](r *reader, name string, convert func(string) (T, error)) T {
	row := r.rows[name]
	if text, given := r.texts[name]; given {
		value, err := converted(text, row.lines, convert)
		if err == nil {
			return value
		}
		r.refuse(row, text, err)
	}
	if row.unset == "" {
		var zero T
		return zero
	}
	value, _ := convert(row.unset)
	return value
}

func converted[T any](text string, lines bool, convert func(string) (T, error)) (T, error) {
	if err := legible(text, lines); err != nil {
		var zero T
		return zero, err
	}
	return convert(text)
}

func (r *reader) refuse(row row, text string, reason error) {
	want := row.Allowed
	if service := linkedService(row.Name, text); service != "" {
		want += "; Kubernetes set this for a Service named " + service +
			", so set `enableServiceLinks: false` in the pod or rename the Service"
	}
	r.add(row.Name, shown(row, text)+because(reason), want)
}

// add notes a fault whose display text is made by the caller.
func (r *reader) add(name, given, want string) {
	r.faults = append(r.faults, Fault{Name: name, Given: given, Want: want, Example: r.rows[name].assignment()})
}

// sound reports whether none of the variables has a fault yet, so that a rule about
// several of them does not judge a default that merely stands in for a mistake.
func (r *reader) sound(names ...string) bool {
	for _, fault := range r.faults {
		if slices.Contains(names, fault.Name) {
			return false
		}
	}
	return true
}

func (r *reader) given() map[string]bool {
	given := map[string]bool{}
	for name := range r.texts {
		given[name] = true
	}
	return given
}

func because(reason error) string { return " (" + reason.Error() + ")" }

// legible refuses what no variable may hold: bytes that are not UTF-8 and control
// characters, of which only line breaks and tabs may pass.
func legible(text string, lines bool) error {
	if !utf8.ValidString(text) {
		return errors.New("not UTF-8")
	}
	for _, char := range text {
		if unicode.IsControl(char) && !(lines && strings.ContainsRune("\n\r\t", char)) {
			return fmt.Errorf("holds the control character %U", char)
		}
	}
	return nil
}

// secret reads a credential from its variable or from the file that the variable of
// the same name with _FILE names.
func (r *reader) secret(name string) secret.Value {
	text, direct := r.texts[name]
	path, filed := r.texts[name+"_FILE"]
	switch {
	case direct && filed:
		r.add(name+"_FILE", pathShown(path, false)+" together with "+name, r.rows[name+"_FILE"].Allowed)
		fallthrough
	case direct:
		return r.credential(name, text, size(text))
	case filed:
		return r.fromFile(name+"_FILE", path)
	}
	return secret.Value{}
}

func (r *reader) fromFile(name, path string) secret.Value {
	if !r.sound(name) || legible(path, false) != nil {
		return secret.Value{} // parse reports the path itself
	}
	content, err := readRegular(path)
	if err != nil {
		r.add(name, pathShown(path, false)+because(err), r.rows[name].Allowed)
		return secret.Value{}
	}
	text := withoutLineBreak(string(content))
	return r.credential(name, text, pathShown(path, true)+" with "+size(text))
}

func (r *reader) credential(name, text, given string) secret.Value {
	if err := tokenText(text); err != nil {
		r.add(name, given+because(err), r.rows[name].Allowed)
		return secret.Value{}
	}
	return secret.New(text)
}

func withoutLineBreak(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// tokenText refuses what would not survive a header or JSON unchanged.
func tokenText(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("blank")
	case strings.ContainsFunc(text, func(char rune) bool { return char == ' ' }):
		return errors.New("holds a space; give the token alone, without a word such as Bearer before it")
	case strings.ContainsFunc(text, unicode.IsSpace):
		return errors.New("holds white space or a line break")
	}
	return legible(text, false)
}
