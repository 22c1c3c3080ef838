package web_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

var errSample = errors.New("sample")

// serve asks a listener of one route and returns its answer, its metrics and its log.
func serve(t *testing.T, options web.Options, handle web.Handler) (*http.Response, *prometheus.Registry, string) {
	t.Helper()
	var lines strings.Builder
	registry := prometheus.NewRegistry()
	options.Listener, options.Log, options.Metrics = "sample", slog.New(slog.NewTextHandler(&lines, nil)), web.NewMetrics(registry)
	adapter := web.New(options)
	server := httptest.NewServer(adapter.Listen(adapter.Handle("/{any}", handle)))
	answer, err := http.Get(server.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	server.Close() // returns when the handler has
	return answer, registry, lines.String()
}

func count(t *testing.T, registry *prometheus.Registry, want string) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text := w.Body.String(); !strings.Contains(text, want+"\n") {
		t.Errorf("got the metrics\n%s\nwant %s", text, want)
	}
}

func TestFailAnswersFromTableAndCountsOnce(t *testing.T) {
	table := web.Errors{Table: []web.Row{{Err: errSample, Problem: problem.Problem{Kind: problem.AccessDenied, Detail: "d"}}}}
	answer, registry, lines := serve(t, web.Options{Errors: table}, func(http.ResponseWriter, *http.Request) error { return errSample })
	if answer.StatusCode != http.StatusForbidden || answer.Header.Get("Content-Type") != problem.MediaType || lines != "" {
		t.Errorf("got %d of type %q and log %q", answer.StatusCode, answer.Header.Get("Content-Type"), lines)
	}
	count(t, registry, `token2go_refusals_total{listener="sample",reason="access_denied"} 1`)
	count(t, registry, `token2go_requests_total{listener="sample",route="/{any}",status="403"} 1`)
}

func TestFailHidesUnknownErrors(t *testing.T) {
	answer, _, lines := serve(t, web.Options{}, func(http.ResponseWriter, *http.Request) error { return errSample })
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusInternalServerError || strings.Contains(string(body), "sample") || strings.Count(lines, "cause=sample") != 1 {
		t.Errorf("got %d %s and log %q, want the cause in the log alone", answer.StatusCode, body, lines)
	}
}

func TestFailLeavesBegunAnswerAlone(t *testing.T) {
	answer, registry, lines := serve(t, web.Options{}, func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		return errSample
	})
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || string(body) != "half" || lines != "" {
		t.Errorf("got %d %q and log %q, want what was written", answer.StatusCode, body, lines)
	}
	count(t, registry, `token2go_refusals_total{listener="sample",reason="internal_error"} 0`)
}

// TestHandlerReachesTheConnection: a proxied answer is flushed, has no headers of ours and
// sets a deadline of its own.
func TestHandlerReachesTheConnection(t *testing.T) {
	answer, _, _ := serve(t, web.Options{}, func(w http.ResponseWriter, _ *http.Request) error {
		control := http.NewResponseController(w)
		return errors.Join(control.SetWriteDeadline(time.Now().Add(time.Hour)), control.Flush())
	})
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Security-Policy") != "" {
		t.Errorf("got %d with the headers %v", answer.StatusCode, answer.Header)
	}
}
