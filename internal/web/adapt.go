package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"
)

// handler answers a request or returns an error, never both.
type handler func(http.ResponseWriter, *http.Request) error

// noRoute is the pattern under which requests that fit no route are counted.
const noRoute = "(none)"

// visit is one request on its way through the gateway door.
type visit struct {
	http.ResponseWriter
	pattern string
	status  int
	bytes   int
}

func (v *visit) WriteHeader(status int) {
	if v.status == 0 {
		v.status = status
	}
	v.ResponseWriter.WriteHeader(status)
}

func (v *visit) Write(body []byte) (int, error) {
	if v.status == 0 {
		v.status = http.StatusOK
	}
	written, err := v.ResponseWriter.Write(body)
	v.bytes += written
	return written, err
}

// WriteString spares a token the copy that Write needs of a text.
func (v *visit) WriteString(body string) (int, error) {
	if v.status == 0 {
		v.status = http.StatusOK
	}
	written, err := io.WriteString(v.ResponseWriter, body)
	v.bytes += written
	return written, err
}

// Unwrap lets http.ResponseController reach the connection.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// Gateway is the door for people, behind the gateway.
func (s *Server) Gateway() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{ResponseWriter: w, pattern: noRoute}
		begin := time.Now()
		defer s.finish(v, r, begin)
		secure(v.Header())
		if err := s.guard(r); err != nil {
			s.fail(v, r, err)
			return
		}
		s.router.ServeHTTP(v, s.strip(r))
	})
}

// adapt makes a handler into one that chi calls, and maps its error to an answer.
func (s *Server) adapt(pattern string, handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v, isVisit := w.(*visit); isVisit {
			v.pattern = pattern
		}
		if err := handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// finish turns a panic into an answer, then counts and logs the request: by the route's
// pattern, since a path or a query may hold anything.
func (s *Server) finish(v *visit, r *http.Request, begin time.Time) {
	if thrown := recover(); thrown != nil {
		s.broken(v, r, thrown)
	}
	spent := time.Since(begin)
	s.metrics.request(v.pattern, v.status, spent)
	if !s.Access.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	record := slog.NewRecord(begin, slog.LevelInfo, "access", 0)
	record.AddAttrs(
		slog.String("method", method(r.Method)),
		slog.String("route", v.pattern),
		slog.Int("status", v.status),
		slog.Int("bytes", v.bytes),
		slog.Int64("microseconds", spent.Microseconds()),
	)
	_ = s.Access.Handle(context.Background(), record) // an access line may be lost
}

// broken answers for a handler that panicked. What it panicked with may hold anything,
// so only its type and the stack are logged, and that without arguments: among those are
// words of memory, and each may be eight characters of a token.
func (s *Server) broken(v *visit, r *http.Request, thrown any) {
	if thrown == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
		panic(thrown) //nolint:forbidigo // this is how net/http is told to drop the connection
	}
	s.Log.Error("panic", "route", v.pattern, "type", fmt.Sprintf("%T", thrown), "stack", stack())
	if v.status != 0 {
		return // too late for another answer
	}
	clear(v.Header())
	secure(v.Header())
	s.fail(v, r, errPanic)
}

// stack names the functions that called each other, innermost first.
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

var errPanic = errors.New("panic while serving")

// method is r's method if it is a common one: a method is text from outside too.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return name
	}
	return "other"
}
