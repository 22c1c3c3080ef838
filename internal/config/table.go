package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/token2go/token2go/internal/secret"
)

// Variable is one row of the table, for people.
type Variable struct {
	Feature string // heading of the variables around it
	Name    string
	Default string // the value, or what holds, when nothing is given; may be empty
	Allowed string
	Meaning string
	Example string
	Secret  bool // its value is never shown
}

// Variables is the table in its own order, the one in which faults are reported.
func Variables() []Variable {
	rows := table()
	variables := make([]Variable, len(rows))
	for i, row := range rows {
		variables[i] = row.Variable
	}
	return variables
}

// row is a Variable with what only this package needs. It is made from the tags of a
// field of a struct in Config:
//
//	name       the variable
//	is         the kind of a text, a key of kinds; "text" by default
//	oneof      the words of which a text is one
//	min, max   the bounds of a number or a duration
//	default    the value when nothing is given
//	otherwise  what holds when nothing is given, where that is no value
//	allowed    what is allowed, where the field's type and kind do not say it
//	note       what is allowed besides that
//	meaning    what the variable does
//	example    a value that works
//
// The type and these tags choose the parser: see row.parse. A secret.Value has a second
// row, whose name ends in _FILE.
type row struct {
	Variable
	index  []int             // of the field in Config
	field  reflect.Type      // of the field
	tag    reflect.StructTag // of the field
	unset  string            // the text that is parsed when nothing is given
	kind   kind
	ofFile bool // the row of a secret's file
}

func (r row) assignment() string { return r.Name + "=" + r.Example }

func table() []row {
	var rows []row
	for _, feature := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if !feature.IsExported() {
			continue
		}
		for _, field := range reflect.VisibleFields(feature.Type) {
			row := newRow(field)
			row.Feature = feature.Tag.Get("title")
			row.index = append(feature.Index, field.Index...)
			rows = append(rows, row)
			if row.Secret {
				rows = append(rows, fileRow(row))
			}
		}
	}
	return rows
}

func newRow(field reflect.StructField) row {
	tag := field.Tag.Get
	r := row{field: field.Type, tag: field.Tag, unset: tag("default")}
	r.kind = r.kindOf()
	r.Variable = Variable{
		Name:    tag("name"),
		Default: tag("default") + tag("otherwise"),
		Allowed: tag("allowed"),
		Meaning: tag("meaning"),
		Example: tag("example"),
		Secret:  field.Type == reflect.TypeFor[secret.Value](),
	}
	if r.Allowed == "" {
		r.Allowed = r.kind.allowed
	}
	if r.Secret {
		r.Allowed += "; not together with " + r.Name + "_FILE"
	}
	if note := tag("note"); note != "" {
		r.Allowed += "; " + note
	}
	return r
}

// fileRow is the row of the file that a secret may be read from.
func fileRow(of row) row {
	r := of
	r.ofFile, r.Secret, r.kind, r.unset = true, false, kinds()["private file"], ""
	r.Variable = Variable{
		Feature: of.Feature,
		Name:    of.Name + fileSuffix,
		Allowed: "path of a readable regular file of at most 1 MiB with that text, perhaps with a line break after it; not together with " + of.Name,
		Meaning: fmt.Sprintf("The file to read %s from.", of.Name),
		Example: "/run/secrets/" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(of.Name, prefix)), "_", "-"),
	}
	return r
}

const fileSuffix = "_FILE"

func lookup(name string) (row, bool) {
	for _, row := range table() {
		if row.Name == name {
			return row, true
		}
	}
	return row{}, false
}
