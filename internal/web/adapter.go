// Package web contains what every listener needs around its handlers: it turns errors into
// answers, counts and logs requests, and checks peers, hosts and sizes. It has no routes.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/problem"
)

// Handler answers a request or returns an error, never both.
type Handler func(http.ResponseWriter, *http.Request) error

// Options are what one listener brings.
type Options struct {
	Listener string                    // required: its name in log lines and metrics
	Log      *slog.Logger              // required: internal errors
	Access   slog.Handler              // a line for every request, may buffer; nil: none
	Metrics  *Metrics                  // required: may be shared by listeners
	Headers  func(http.Header)         // sets the headers of every answer; nil: none
	Check    func(*http.Request) error // refuses requests before they are routed; nil: none
	Errors   Errors                    // the problem that an error is reported as
	Render   Renderer                  // how a problem is answered; nil: as JSON
}

// Adapter puts a listener's handlers behind net/http.
type Adapter struct {
	Options
	metrics listenerMetrics
}

// New makes the Adapter of one listener.
func New(options Options) *Adapter {
	if options.Render == nil {
		options.Render = RenderJSON
	}
	if options.Access == nil {
		options.Access = slog.DiscardHandler
	}
	return &Adapter{Options: options, metrics: options.Metrics.forListener(options.Listener)}
}

// NoRoute is the pattern under which requests that fit no route are counted.
const NoRoute = "(none)"

// Listen is the outermost handler of a listener: it checks each request, passes it on,
// and counts and logs it afterwards, also when the handler panics.
func (a *Adapter) Listen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &responseRecorder{ResponseWriter: w, pattern: NoRoute}
		begin := time.Now()
		defer a.finish(rec, r, begin)
		a.setHeaders(rec.Header())
		if a.Check != nil {
			if err := a.Check(r); err != nil {
				a.Fail(rec, r, err)
				return
			}
		}
		next.ServeHTTP(rec, r)
	})
}

func (a *Adapter) setHeaders(h http.Header) {
	if a.Headers != nil {
		a.Headers(h)
	}
}

// Handle makes an http.Handler of one route's Handler and answers its error.
func (a *Adapter) Handle(pattern string, handle Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec, isRecorder := w.(*responseRecorder); isRecorder {
			rec.pattern = pattern
		}
		if err := handle(w, r); err != nil {
			a.Fail(w, r, err)
		}
	})
}

// finish answers for a panic, then counts and logs the request under the pattern of its
// route: path and query may contain anything.
func (a *Adapter) finish(rec *responseRecorder, r *http.Request, begin time.Time) {
	if thrown := recover(); thrown != nil {
		a.answerPanic(rec, r, thrown)
	}
	spent := time.Since(begin)
	a.metrics.request(rec.pattern, rec.status, spent)
	if rec.noLine || !a.Access.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	record := slog.NewRecord(begin, slog.LevelInfo, "access", 0)
	record.AddAttrs(
		slog.String("listener", a.Listener),
		slog.String("method", Method(r.Method)),
		slog.String("route", rec.pattern),
		slog.Int("status", rec.status),
		slog.Int("bytes", rec.bytes),
		slog.Int64("microseconds", spent.Microseconds()),
	)
	_ = a.Access.Handle(context.Background(), record) // an access line may be lost
}

var errPanic = errors.New("panic while serving")

// answerPanic logs the type of the panic value and the stack without arguments: the value
// and the arguments may contain parts of a token.
func (a *Adapter) answerPanic(rec *responseRecorder, r *http.Request, thrown any) {
	if thrown == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(thrown) //nolint:forbidigo // net/http then drops the connection
	}
	a.Log.Error("panic", "listener", a.Listener, "route", rec.pattern, "type", fmt.Sprintf("%T", thrown), "stack", stack())
	if rec.status != 0 {
		return // too late for another answer
	}
	clear(rec.Header())
	a.setHeaders(rec.Header())
	a.Fail(rec, r, errPanic)
}

// stack lists the functions on the call stack, innermost first, without arguments.
func stack() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	var lines strings.Builder
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		fmt.Fprintf(&lines, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
	}
	return lines.String()
}

// Method returns name if it is a common method, and "other" if not: a method is the
// caller's text, which must not reach logs and metrics.
func Method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return name
	}
	return "other"
}

// Fail answers with an error, unless an answer has begun: then the client has gone, and no
// other answer can be sent.
func (a *Adapter) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if rec, isRecorder := w.(*responseRecorder); isRecorder && rec.status != 0 {
		a.Log.Debug("answer not finished", "listener", a.Listener, "route", rec.pattern, "cause", err)
		return
	}
	if err := a.Render(w, r, a.Refuse(w, r, err).Problem); err != nil {
		a.Log.Debug("answer not sent", "listener", a.Listener, "route", pattern(w), "cause", err)
	}
}

// Refuse finds the problem that an error is reported as, counts it, and logs the cause of
// an internal error. A Refusal is returned unchanged, so that each is counted once.
func (a *Adapter) Refuse(w http.ResponseWriter, r *http.Request, err error) *Refusal {
	if known, found := errors.AsType[*Refusal](err); found {
		return known
	}
	refusal := &Refusal{Problem: a.Errors.Find(r, err), Cause: err}
	if refusal.Problem.Kind == problem.InternalError {
		a.Log.Error("failed", "listener", a.Listener, "route", pattern(w), "cause", err)
	}
	a.metrics.refused(refusal.Problem.Kind)
	return refusal
}
