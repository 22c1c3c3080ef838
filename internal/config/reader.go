package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kelseyhightower/envconfig"

	"github.com/token2go/token2go/internal/secret"
)

// reader turns texts into values and collects what is wrong.
type reader struct {
	rows   []row
	texts  map[string]string // what was given, by name; blank values are left out
	faults Faults
}

func newReader() (*reader, error) {
	r := &reader{rows: table(), texts: map[string]string{}}
	texts, err := environment(r.rows)
	if err != nil {
		return nil, err
	}
	for i, row := range r.rows {
		text := texts[i]
		if strings.TrimSpace(text) == "" {
			continue
		}
		if !row.Secret { // blanks around a secret are kept, so that they can be refused
			text = strings.TrimSpace(text)
		}
		r.texts[row.Name] = text
	}
	return r, nil
}

// environment reads every variable as text, whatever the type of its field: the library
// stops at the first value that does not parse, quotes that value, and keeps the blanks
// around items of a list.
func environment(rows []row) ([]string, error) {
	fields := make([]reflect.StructField, len(rows))
	for i, row := range rows {
		fields[i] = reflect.StructField{
			Name: "V" + strconv.Itoa(i),
			Type: reflect.TypeFor[string](),
			Tag:  reflect.StructTag(`envconfig:` + strconv.Quote(row.Name)),
		}
	}
	read := reflect.New(reflect.StructOf(fields))
	if envconfig.Process("", read.Interface()) != nil {
		return nil, errors.New("environment: not readable as text") // the library's error quotes the value
	}
	texts := make([]string, len(rows))
	for i := range texts {
		texts[i] = read.Elem().Field(i).String()
	}
	return texts, nil
}

// fill sets the fields of a Config to what was given, or to their defaults.
func (r *reader) fill(config reflect.Value) {
	for _, row := range r.rows {
		field := config.FieldByIndex(row.index)
		switch {
		case row.ofFile:
			if err := legible(r.texts[row.Name], false); err != nil {
				r.refuse(row.Name, shown(row, r.texts[row.Name])+because(err))
			}
		case row.Secret:
			field.Set(reflect.ValueOf(r.secret(row.Name)))
		default:
			if value := r.value(row); value != nil {
				field.Set(reflect.ValueOf(value))
			}
		}
	}
}

// value is what was given, or the default, or nil where there is none.
func (r *reader) value(row row) any {
	if text, given := r.texts[row.Name]; given {
		value, err := row.parse(text)
		if err == nil {
			return value
		}
		r.add(row.Name, shown(row, text)+because(err), wanted(row, text))
	}
	if row.unset == "" {
		return nil
	}
	value, err := row.parse(row.unset)
	if err != nil {
		return nil
	}
	return value
}

func wanted(row row, text string) string {
	service := linkedService(row.Name, text)
	if service == "" {
		return row.Allowed
	}
	return row.Allowed + "; Kubernetes set this for a Service named " + service +
		", so set `enableServiceLinks: false` in the pod or rename the Service"
}

func (r *reader) settings(config reflect.Value) []Setting {
	settings := make([]Setting, len(r.rows))
	for i, row := range r.rows {
		_, set := r.texts[row.Name]
		_, filed := r.texts[row.Name+fileSuffix]
		settings[i] = Setting{
			Name:  row.Name,
			Value: written(config.FieldByIndex(row.index).Interface()),
			Set:   set || row.Secret && filed,
		}
		if row.ofFile {
			settings[i].Value = r.texts[row.Name]
		}
	}
	return settings
}

func (r *reader) row(name string) row {
	return r.rows[slices.IndexFunc(r.rows, func(row row) bool { return row.Name == name })]
}

// refuse adds a fault of a variable whose display text is made by the caller.
func (r *reader) refuse(name, given string) { r.add(name, given, r.row(name).Allowed) }

func (r *reader) add(name, given, want string) {
	r.faults = append(r.faults, Fault{Name: name, Given: given, Want: want, Example: r.row(name).assignment()})
}

// sound reports whether none of the variables has a fault yet, so that a rule about
// several of them does not judge a default that merely replaces a mistake.
func (r *reader) sound(names ...string) bool {
	return !slices.ContainsFunc(r.faults, func(f Fault) bool { return slices.Contains(names, f.Name) })
}

func because(reason error) string { return " (" + reason.Error() + ")" }

// legible refuses what no variable may hold: bytes that are not UTF-8 and control
// characters, except line breaks and tabs where they make sense.
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
	path, filed := r.texts[name+fileSuffix]
	switch {
	case direct && filed:
		r.refuse(name+fileSuffix, pathShown(path, false)+" together with "+name)
		fallthrough
	case direct:
		return r.credential(name, text, size(text))
	case filed:
		return r.fromFile(name+fileSuffix, path)
	}
	return secret.Value{}
}

func (r *reader) fromFile(name, path string) secret.Value {
	if !r.sound(name) || legible(path, false) != nil {
		return secret.Value{} // fill reports the path itself
	}
	content, err := readRegular(path)
	if err != nil {
		r.refuse(name, pathShown(path, false)+because(err))
		return secret.Value{}
	}
	text := withoutLineBreak(string(content))
	return r.credential(name, text, pathShown(path, true)+" with "+size(text))
}

func (r *reader) credential(name, text, given string) secret.Value {
	if err := tokenText(text); err != nil {
		r.refuse(name, given+because(err))
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
