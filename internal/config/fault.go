package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault is one variable that is wrong.
type Fault struct {
	Name    string // of the variable, or of the one that does not exist
	Given   string // what was given, for display; of a secret its size alone
	Want    string // what is allowed
	Example string // an assignment that works, empty if there is none
}

// Error is the fault as one line.
func (f Fault) Error() string {
	line := f.Name + ": got " + f.Given + "; want " + f.Want
	if f.Example != "" {
		line += "; for example " + f.Example
	}
	return line
}

// String is the same line as Error.
func (f Fault) String() string { return f.Error() }

// Faults are the variables that are wrong, each once, in the order of the table.
type Faults []Fault

// Error is one line for every fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Add returns f with more faults, sorted by the table's order with unknown names
// last. A variable that has a fault already keeps that one.
func (f Faults) Add(more ...Fault) Faults {
	all := slices.Clone(f)
	for _, fault := range more {
		same := func(other Fault) bool { return other.Name == fault.Name }
		if !slices.ContainsFunc(all, same) {
			all = append(all, fault)
		}
	}
	positions := positions()
	position := func(name string) int {
		if i, known := positions[name]; known {
			return i
		}
		return len(positions)
	}
	slices.SortStableFunc(all, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(position(a.Name), position(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// positions maps the name of every variable to its row in the table.
func positions() map[string]int {
	positions := map[string]int{}
	for i, row := range table() {
		positions[row.Name] = i
	}
	return positions
}

// FaultFor is a fault of the variable with that name. The text given, a whole value
// or one item of a list, is quoted and shortened here, and withheld if the variable
// is a secret or the text looks like one.
func FaultFor(name, given, want string) Fault {
	row, known := lookup(name)
	if !known {
		return Fault{Name: name, Given: size(given), Want: want}
	}
	return Fault{Name: name, Given: shown(row, given), Want: want, Example: row.assignment()}
}

const shownBytes = 100 // of a value, in a line that should fit a terminal

var (
	userinfo   = regexp.MustCompile(`//\S*@`)
	credential = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}|-----BEGIN`)
)

// shown quotes a value for a person's eyes. People put keys where paths belong, and
// passwords into URLs, so what looks like a credential is withheld too.
func shown(row row, text string) string {
	if row.Secret || credential.MatchString(text) {
		return size(text)
	}
	if row.kind.path {
		return pathShown(text, false)
	}
	return strconv.Quote(clipped(userinfo.ReplaceAllString(text, "//…@")))
}

func clipped(text string) string {
	if len(text) <= shownBytes {
		return text
	}
	return strings.ToValidUTF8(text[:shownBytes], "") + "…"
}

func size(text string) string {
	if len(text) == 1 {
		return "a value of 1 byte"
	}
	return fmt.Sprintf("a value of %d bytes", len(text))
}
