package config_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/config"
)

var update = flag.Bool("update", false, "write the table of variables into docs/configuration.md")

func TestTableIsComplete(t *testing.T) {
	table := config.Variables()
	byName := map[string]config.Variable{}
	for _, v := range table {
		if v.Allowed == "" || v.Meaning == "" || v.Example == "" || v.Feature == "" || !strings.HasPrefix(v.Name, "T2G_") {
			t.Errorf("got %+v, want a name with T2G_, a feature, and texts for what is allowed, the meaning and an example", v)
		}
		byName[v.Name] = v
	}
	if len(table) == 0 || len(byName) != len(table) {
		t.Errorf("got %d variables with %d names, want as many", len(table), len(byName))
	}
	for _, v := range table {
		if _, found := byName[v.Name+"_FILE"]; v.Secret != found {
			t.Errorf("%s: got a secret %v and a variable for its file %v", v.Name, v.Secret, found)
		}
	}
}

// withFiles is the example with files in place of those that only an operator has.
func withFiles(t *testing.T, v config.Variable) []string {
	switch v.Name {
	case "T2G_TLS_CERT_FILE", "T2G_TLS_KEY_FILE":
		cert, key := certificate(t)
		return []string{"T2G_TLS_CERT_FILE=" + cert, "T2G_TLS_KEY_FILE=" + key}
	case "T2G_FALLBACK_TOKEN_FILE":
		return []string{v.Name + "=" + written(t, "token", marked)}
	case "T2G_SERVER_SOCKET":
		return []string{v.Name + "=" + filepath.Join(t.TempDir(), "t2g.sock")}
	case "T2G_API_SOCKET":
		return []string{v.Name + "=" + filepath.Join(t.TempDir(), "t2g.sock")}
	case "T2G_API_TLS_CERT_FILE", "T2G_API_TLS_KEY_FILE":
		cert, key := certificate(t)
		return []string{"T2G_API_TLS_CERT_FILE=" + cert, "T2G_API_TLS_KEY_FILE=" + key}
	case "T2G_DATABASE_URL", "T2G_SERVICES_FILE":
		return []string{v.Name + "=" + v.Example, "T2G_OIDC_ISSUER=https://id.example.org", "T2G_OIDC_AUDIENCES=account"}
	case "T2G_DATABASE_URL_FILE":
		return []string{v.Name + "=" + written(t, "url", "sqlite:/var/lib/t2g.db"), "T2G_OIDC_ISSUER=https://id.example.org", "T2G_OIDC_AUDIENCES=account"}
	case "T2G_DATABASE_KEY_FILE", "T2G_GATEWAY_SECRET_FILE", "T2G_MINT_SECRET_FILE":
		return []string{v.Name + "=" + written(t, "secret", marked)}
	}
	return []string{v.Name + "=" + v.Example}
}

// together are variables that are set with the one of the same beginning.
func together(one, other string) bool {
	for _, prefix := range []string{"T2G_TLS_", "T2G_API_TLS_", "T2G_FALLBACK_", "T2G_DATABASE_URL", "T2G_DATABASE_KEY", "T2G_GATEWAY_SECRET", "T2G_MINT_SECRET"} {
		if strings.HasPrefix(one, prefix) && strings.HasPrefix(other, prefix) {
			return true
		}
	}
	switches := strings.HasPrefix(one, "T2G_DATABASE_URL") || one == "T2G_SERVICES_FILE"
	return switches && (other == "T2G_OIDC_ISSUER" || other == "T2G_OIDC_AUDIENCES")
}

func TestExampleSetsItsOwnVariable(t *testing.T) {
	defaults := loaded(t).Settings()
	for i, v := range config.Variables() {
		got := loaded(t, withFiles(t, v)...).Settings()
		if got[i].Name != v.Name || !got[i].Set || got[i].Value == defaults[i].Value {
			t.Errorf("%s: got %v, want it set to something else than %v", v.Name, got[i], defaults[i])
		}
		for j := range got {
			if j != i && !together(v.Name, got[j].Name) && got[j] != defaults[j] {
				t.Errorf("%s: changed %v", v.Name, got[j])
			}
		}
	}
}

func TestTableDefaultsAreInEffect(t *testing.T) {
	settings := loaded(t).Settings()
	for i, v := range config.Variables() {
		if settings[i].Value != "" && settings[i].Value != v.Default {
			t.Errorf("%s: got %q in effect and %q in the table", v.Name, settings[i].Value, v.Default)
		}
	}
}

func TestTableBoundsAreInEffect(t *testing.T) {
	bounds := regexp.MustCompile(`from (\w+) to (\w+)`)
	tried := 0
	for _, v := range config.Variables() {
		found := bounds.FindStringSubmatch(v.Allowed)
		if found == nil {
			continue
		}
		tried++
		for _, bound := range found[1:] {
			if found := faults(t, v.Name+"="+bound); len(found) != 0 {
				t.Errorf("%s=%s: got %v, want it allowed", v.Name, bound, found)
			}
		}
		for _, beyond := range []string{beyond(t, found[1], -1), beyond(t, found[2], 1)} {
			if found := faults(t, v.Name+"="+beyond); len(found) != 1 {
				t.Errorf("%s=%s: got %v, want it refused", v.Name, beyond, found)
			}
		}
	}
	if tried != 18 {
		t.Errorf("got %d variables with bounds, want 18", tried)
	}
}

func beyond(t *testing.T, bound string, step int) string {
	if value, err := strconv.Atoi(bound); err == nil {
		return strconv.Itoa(value + step)
	}
	if days, found := strings.CutSuffix(bound, "d"); found {
		count, err := strconv.Atoi(days)
		if err != nil {
			t.Fatal(err)
		}
		return (time.Duration(count)*day + time.Duration(step)).String()
	}
	value, err := time.ParseDuration(bound)
	if err != nil {
		t.Fatal(err)
	}
	return (value + time.Duration(step)).String()
}

func TestWriteHelpListsEveryVariableIn100Columns(t *testing.T) {
	var out bytes.Buffer
	if err := config.WriteHelp(&out); err != nil {
		t.Fatal(err)
	}
	for _, v := range config.Variables() {
		if !strings.Contains(out.String(), "\n"+v.Name+"\n") && !strings.HasPrefix(out.String(), v.Name+"\n") {
			t.Errorf("%s: not in the help", v.Name)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 101 {
			t.Errorf("got a line of %d columns: %s", len(line)-1, line)
		}
	}
	if got := strings.Join(strings.Fields(out.String()), ""); !strings.Contains(got, strings.ReplaceAll(config.Variables()[9].Default, " ", "")) {
		t.Error("the help lost a part of the default header names")
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteHelpReportsWriteError(t *testing.T) {
	if err := config.WriteHelp(fullDisk{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

func TestMarkdownHasARowForEveryVariable(t *testing.T) {
	var rows []string
	for line := range strings.Lines(config.Markdown()) {
		if strings.HasPrefix(line, "| `T2G_") {
			rows = append(rows, line)
		}
	}
	if len(rows) != len(config.Variables()) {
		t.Fatalf("got %d rows, want %d", len(rows), len(config.Variables()))
	}
	for i, row := range rows {
		if bars := strings.Count(row, "|") - strings.Count(row, `\|`); bars != 5 {
			t.Errorf("got %d bars in %s", bars, row)
		}
		if !strings.HasPrefix(row, "| `"+config.Variables()[i].Name+"` |") {
			t.Errorf("got %s, want the row of %s", row, config.Variables()[i].Name)
		}
	}
}

const (
	page   = "../../docs/configuration.md"
	start  = "<!-- variables -->\n"
	end    = "<!-- /variables -->"
	advice = "run: go test ./internal/config -run TestConfigurationPage -update"
)

func TestConfigurationPageHasTheTableOfVariables(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, started := strings.Cut(string(content), start)
	table, after, ended := strings.Cut(rest, end)
	if !started || !ended {
		t.Fatalf("docs/configuration.md lacks the lines %q and %q; put them where the table belongs, then %s", strings.TrimSpace(start), end, advice)
	}
	if table == config.Markdown() {
		return
	}
	if !*update {
		t.Fatalf("the table in docs/configuration.md is not the one of this package; %s", advice)
	}
	if err := os.WriteFile(page, []byte(before+start+config.Markdown()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
