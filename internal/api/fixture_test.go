package api_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/ops"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
	"github.com/token2go/token2go/internal/web"
)

const prefix = apikey.Prefix("t2g")

// fixture is a running API listener over a set with one person.
type fixture struct {
	*api.Server
	address  string // such as http://127.0.0.1:41234
	host     string
	output   *process.Output // all that the server logs
	metrics  string          // address of its metrics
	set      *check.Set
	pepper   apikey.Pepper
	refresh  func(context.Context) error // nil: nothing is new
	looks    atomic.Int64
	uses     atomic.Int64
	contract *t2gtest.Contract
}

func (f *fixture) Count(apikey.ID, time.Time, netip.Addr, string) { f.uses.Add(1) }

// open starts a listener. Its one person is ada.
func open(t testing.TB, edit func(*api.Options)) *fixture {
	t.Helper()
	return openChecker(t, nil, edit)
}

func openChecker(t testing.TB, limit func(*check.Options), edit func(*api.Options)) *fixture {
	t.Helper()
	pepper, err := apikey.NewPepper(make([]byte, apikey.DatabaseKeyLength))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{output: new(process.Output), set: check.NewSet(pepper), pepper: pepper, contract: t2gtest.NewAPIContract(t)}
	f.set.PutPerson(&check.Person{
		ID: 1, Issuer: "https://id.example.org", Subject: "248289761001", Login: "ada", Email: "ada@example.org",
		Active: true, Seen: time.Now(), Roles: []string{"reader", "writer"}, Groups: []string{"/engines"},
	})
	checking := check.Options{Keys: f.set, Refresh: func(ctx context.Context) error {
		f.looks.Add(1)
		if f.refresh != nil {
			return f.refresh(ctx)
		}
		return nil
	}}
	if limit != nil {
		limit(&checking)
	}
	handler := slog.NewJSONHandler(f.output, &slog.HandlerOptions{Level: slog.LevelDebug})
	registry := ops.NewRegistry("test")
	options := api.Options{
		Web:   web.Options{Log: slog.New(handler), Access: handler, Metrics: web.NewMetrics(registry)},
		Audit: audit.New(handler), Checker: check.New(checking), Prefix: prefix, Uses: f, MaxHeaderBytes: 65536,
	}
	if edit != nil {
		edit(&options)
	}
	if f.Server, err = api.New(options); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(f.Server)
	server.Config.MaxHeaderBytes = 1 << 20
	server.Start()
	t.Cleanup(server.Close)
	f.address, f.host = server.URL, strings.TrimPrefix(server.URL, "http://")
	operator := httptest.NewServer(ops.New(ops.Options{Web: options.Web, Metrics: registry}))
	t.Cleanup(operator.Close)
	f.metrics = operator.URL + "/metrics"
	return f
}

// add makes a key of ada and returns its text.
func (f *fixture) add(edit func(*check.Key)) string {
	minted := prefix.Mint()
	key := check.Key{ID: minted.ID, Pepper: f.pepper.ID, Hash: f.pepper.Hash(minted), Person: 1, Name: "nightly job"}
	if edit != nil {
		edit(&key)
	}
	f.set.Put(key)
	return minted.Secret().Reveal()
}

// answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) has(t testing.TB, status int, parts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("got %d %s, want %d", a.status, a.body, status)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("got %s, want %s in it", a.body, part)
		}
	}
}

// refused wants a problem of this kind.
func (a answer) refused(t testing.TB, status int, kind string) {
	t.Helper()
	a.has(t, status, `"kind":"`+kind+`"`)
}

// send sends a request with these header lines, pairs of name and value. The answer keeps
// the API document.
func (f *fixture) send(t testing.TB, method, path, body string, lines ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.address+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(lines); i += 2 {
		if lines[i] == "Host" {
			r.Host = lines[i+1]
		}
		r.Header.Add(lines[i], lines[i+1])
	}
	response, err := f.contract.Client(f.host).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (f *fixture) get(t testing.TB, path string, lines ...string) answer {
	t.Helper()
	return f.send(t, http.MethodGet, path, "", lines...)
}

func bearer(key string) []string { return []string{"Authorization", "Bearer " + key} }

// fromLoopback has the test's own connections be those of a trusted proxy.
func fromLoopback(o *api.Options) {
	o.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}
