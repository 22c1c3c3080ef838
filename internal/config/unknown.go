package config

import (
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	prefix     = "T2G_"
	testPrefix = "T2G_TEST_" // for tests of this project, which run beside real variables
)

// serviceLink is a name that Kubernetes sets for a Service named t2g or t2g-<more>,
// other than the one that ends in _PORT.
var serviceLink = regexp.MustCompile(`^T2G(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// servicePort is the one that ends in _PORT: only its value tells it from a mistyped
// variable of ours.
var servicePort = regexp.MustCompile(`^(T2G(?:_[A-Z0-9_]+)?)_PORT$`)

var serviceAddress = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// linkedService is the name of the Service for which Kubernetes set the variable, or
// empty.
func linkedService(name, text string) string {
	found := servicePort.FindStringSubmatch(name)
	if found == nil || !serviceAddress.MatchString(text) {
		return ""
	}
	return strings.ToLower(strings.ReplaceAll(found[1], "_", "-"))
}

// unknown finds the variables that nothing reads: a setting with one mistyped letter
// would otherwise have no effect.
func unknown() Faults {
	var faults Faults
	positions := positions()
	for _, entry := range os.Environ() {
		name, text, _ := strings.Cut(entry, "=")
		if _, known := positions[name]; known || ignored(name, text) {
			continue
		}
		if _, nearly := positions[strings.ToUpper(name)]; nearly || strings.HasPrefix(name, prefix) {
			faults = append(faults, unknownFault(name, text))
		}
	}
	return faults
}

func ignored(name, text string) bool {
	return strings.TrimSpace(text) == "" || strings.HasPrefix(name, testPrefix) ||
		serviceLink.MatchString(name) || linkedService(name, text) != ""
}

// unknownFault never shows the value: the name may be a mistyped one of a secret.
func unknownFault(name, text string) Fault {
	near := nearest(name)
	return Fault{
		Name: displayName(name), Given: size(text),
		Want:    "a variable that exists; the nearest is " + near.Name,
		Example: near.assignment(),
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func displayName(name string) string {
	if plainName.MatchString(name) && len(name) <= shownBytes {
		return name
	}
	return strconv.Quote(clipped(name))
}

func nearest(name string) row {
	name = strings.TrimPrefix(clipped(strings.ToUpper(name)), prefix)
	var best row
	nearest := -1
	for _, row := range table() {
		if d := distance(name, strings.TrimPrefix(row.Name, prefix)); nearest < 0 || d < nearest {
			best, nearest = row, d
		}
	}
	return best
}

// distance is what it costs to edit from into to. Adding a letter is cheap,
// because people leave words out more often than they invent any.
func distance(from, to string) int {
	const added, removed, changed = 1, 3, 3
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j * added
	}
	for i := range len(from) {
		diagonal := row[0]
		row[0] += removed
		for j := range len(to) {
			cost := diagonal
			if from[i] != to[j] {
				cost += changed
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+added, diagonal+removed)
		}
	}
	return row[len(to)]
}
