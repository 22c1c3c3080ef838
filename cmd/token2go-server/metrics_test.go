package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The metrics in docs/operations.md are those of a running server.
func TestDocumentedMetricsEqualServed(t *testing.T) {
	t.Parallel()
	h := openInstance(t)
	mustGet(t, "http://"+h.gateway+"/token", tokenHeader, "opaque-and-good")
	mustGet(t, "http://"+h.gateway+"/nowhere")
	_, served := mustGet(t, "http://"+h.ops+"/metrics")
	got := map[string]string{}
	for name, kind := range metricTypes(served) {
		got[name] = kind + " of " + labels(t, served, name)
	}
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(document), "<!-- metrics -->")
	table, _, _ = strings.Cut(table, "<!-- /metrics -->")
	want := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(token2go_\\w+)` \\| (\\w+) \\| ([^|]*) \\| .+ \\|$").FindAllStringSubmatch(table, -1) {
		want[row[1]] = row[2] + " of " + strings.ReplaceAll(row[3], "`", "")
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("got from /metrics %v\nwant as in docs/operations.md %v", got, want)
	}
}

// The metrics in docs/keys/operators.md are those that a database adds.
func TestDocumentedMetricsOfKeysEqualServed(t *testing.T) {
	t.Parallel()
	stored := openInstance(t, storing(t, "T2G_API_PORT=0")...)
	_, served := mustGet(t, "http://"+stored.ops+"/metrics")
	_, plain := mustGet(t, "http://"+openInstance(t).ops+"/metrics")
	got := metricTypes(served)
	maps.DeleteFunc(got, func(name, _ string) bool { return metricTypes(plain)[name] != "" })
	document, err := os.ReadFile("../../docs/keys/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(token2go_\\w+)` \\| (\\w+) \\| .+ \\|$").FindAllStringSubmatch(string(document), -1) {
		want[row[1]] = row[2]
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("got from /metrics %v\nwant as in docs/keys/operators.md %v", got, want)
	}
}

// metricTypes are the types of the server's own metrics, by name.
func metricTypes(served string) map[string]string {
	types := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (token2go_\w+) (\w+)$`).FindAllStringSubmatch(served, -1) {
		types[line[1]] = line[2]
	}
	return types
}

// labels are the names of a metric's labels, le aside, which is that of a histogram's buckets.
func labels(t *testing.T, served, metric string) string {
	t.Helper()
	series := regexp.MustCompile(`(?m)^` + metric + `(?:_sum)?\{([^}]*)\}`).FindStringSubmatch(served)
	if series == nil {
		t.Fatalf("%s has no series", metric)
	}
	var names []string
	for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(series[1], -1) {
		names = append(names, pair[1])
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
