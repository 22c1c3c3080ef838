package token2go

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxConns      = 128       // at a time
	maxHeader     = 128 << 10 // bytes; a triple of a 64 KB token fits into the query
	maxBody       = 256 << 10 // bytes
	headerTimeout = 5 * time.Second
	pageTimeout   = 2 * time.Second // for the browser to fetch the page after the answer
)

// listener waits for the browser that brings the answer.
type listener struct {
	call *call
	wait *wait
	port int
	path string // where the answer comes
	flow string // where short leads
	short,
	page string // what the browser sees after the answer

	server http.Server
	served chan struct{} // closed when the server has stopped
	seen   chan struct{} // closed when the page was fetched
	once   sync.Once     // for seen
}

// listen binds 127.0.0.1 and no other address, so that no other computer reaches it.
func listen(c *call, w *wait, server *url.URL, o Options) (*listener, error) {
	bound, err := bind(o.Ports)
	if err != nil {
		return nil, err
	}
	l := &listener{
		call: c, wait: w, path: "/" + random(16), short: "/" + random(8),
		served: make(chan struct{}), seen: make(chan struct{}),
	}
	l.page = l.path + "/done"
	address, _ := bound.Addr().(*net.TCPAddr)
	l.port = address.Port
	if l.flow, err = c.toListener(server, o, l.port, l.path); err != nil {
		_ = bound.Close()
		return nil, &Error{Kind: ErrOptions, Cause: err}
	}
	l.server = http.Server{
		Handler: l, ReadHeaderTimeout: headerTimeout, ReadTimeout: 2 * headerTimeout, WriteTimeout: 2 * headerTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	l.server.SetKeepAlivesEnabled(false)
	go func() {
		defer close(l.served)
		err := l.server.Serve(limitListener(bound, maxConns))
		w.end(verdict{err: &Error{Kind: ErrListen, Cause: err}}) // after close it is not read
	}()
	return l, nil
}

// bind takes the first port that is free; with none named, any.
func bind(ports []int) (net.Listener, error) {
	if len(ports) == 0 {
		ports = []int{0}
	}
	var faults []error
	for _, port := range ports {
		bound, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return bound, nil
		}
		faults = append(faults, err)
	}
	return nil, &Error{Kind: ErrListen, Cause: errors.Join(faults...)}
}

// close waits a moment for the browser to fetch the page after an answer that came here,
// and stops the server.
func (l *listener) close(ctx context.Context) {
	if v, _ := l.wait.ended(); v.browser {
		select {
		case <-l.seen:
		case <-time.After(pageTimeout):
		case <-ctx.Done():
		}
	}
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	_ = l.server.Shutdown(soon) // lets what is being written be written
	_ = l.server.Close()
	<-l.served
}

func (l *listener) host() string     { return "127.0.0.1:" + strconv.Itoa(l.port) }
func (l *listener) shortURL() string { return "http://" + l.host() + l.short }

// ServeHTTP refuses what is not the person's browser with the answer. Origin and Sec-Fetch-Site are not looked at: a genuine
// answer has null and cross-site there.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	switch path := r.URL.Path; {
	case r.Host != l.host() && (l.port != 80 || r.Host != "127.0.0.1"): // a name that was pointed here
		refuse(w, http.StatusMisdirectedRequest)
	case path != l.path && path != l.short && path != l.page:
		refuse(w, http.StatusNotFound)
	case r.Method != http.MethodGet && (r.Method != http.MethodPost || path != l.path):
		w.Header().Set("Allow", map[bool]string{true: "GET, POST", false: "GET"}[path == l.path])
		refuse(w, http.StatusMethodNotAllowed)
	case !l.isOwnUser(r):
		refuse(w, http.StatusForbidden)
	case r.URL.User != nil || !isNavigation(r.Header):
		refuse(w, http.StatusForbidden)
	case path == l.short:
		l.redirect(w, r)
	case path == l.page:
		l.showPage(w)
	default:
		l.answer(w, r)
	}
}

// isNavigation reports whether a browser opens a page that a person will see: neither
// ahead of time nor inside of another.
func isNavigation(header http.Header) bool {
	ahead := strings.Join(header.Values("Sec-Purpose"), ",") + header.Get("Purpose") + header.Get("X-Moz")
	return !strings.Contains(ahead, "prefetch") && !strings.Contains(ahead, "prerender") &&
		cmp.Or(header.Get("Sec-Fetch-Dest"), "document") == "document"
}

// redirect sends the browser on to the flow. No answer is taken at this address, so a
// query is refused.
func (l *listener) redirect(w http.ResponseWriter, r *http.Request) {
	if _, over := l.wait.ended(); over {
		refuse(w, http.StatusGone)
		return
	}
	if r.URL.RawQuery != "" {
		refuse(w, http.StatusNotFound)
		return
	}
	l.wait.visit()
	w.Header().Set("Location", l.flow)
	w.WriteHeader(http.StatusSeeOther)
}

func (l *listener) answer(w http.ResponseWriter, r *http.Request) {
	fields, status := fieldsOf(w, r)
	if status != 0 {
		refuse(w, status)
		return
	}
	v, err := l.call.judge(fields, l.call.now())
	v.browser, v.answer = true, fields.Encode()
	switch {
	case errors.Is(err, errStray):
		refuse(w, http.StatusNotFound)
	case err != nil:
		l.wait.warn(err)
		write(w, http.StatusBadRequest, isPage, unacceptedPage())
	case !l.wait.end(v) && !l.wait.endedBy(v): // the same answer again shows the same page again
		refuse(w, http.StatusGone)
	default:
		w.Header().Set("Location", l.page)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// fieldsOf reads the query, or a posted form. Its status is 0 where it could.
func fieldsOf(w http.ResponseWriter, r *http.Request) (url.Values, int) {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/x-www-form-urlencoded" {
			return nil, http.StatusUnsupportedMediaType
		}
		if text != "" {
			return nil, http.StatusBadRequest
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return nil, http.StatusRequestEntityTooLarge
		}
		text = string(body)
	}
	fields, err := url.ParseQuery(text)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	for name, values := range fields {
		if !utf8.ValidString(name + strings.Join(values, "")) {
			return nil, http.StatusBadRequest
		}
	}
	return fields, 0
}

// showPage writes the page that stays in the browser, once the wait is over.
func (l *listener) showPage(w http.ResponseWriter) {
	v, over := l.wait.ended()
	if !over {
		refuse(w, http.StatusNotFound)
		return
	}
	write(w, http.StatusOK, isPage, verdictPage(v, l.call.key.Words(l.call.state)))
	_ = http.NewResponseController(w).Flush()
	l.once.Do(func() { close(l.seen) })
}
