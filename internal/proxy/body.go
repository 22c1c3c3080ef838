package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// patience is how long a caller may take for the next piece of a request's body, or to
// take the next piece of an answer.
const patience = 30 * time.Second

// recorder writes an answer and notes what was answered. Answers of the service are not
// under the listener's limit for a whole answer: a stream may last.
type recorder struct {
	http.ResponseWriter
	call     *call
	control  *http.ResponseController
	body     *requestBody // nil: the request has none
	status   int
	bytes    int64
	rolling  bool // the limit for the next piece is moved with each
	extended time.Time
}

// begin lifts the listener's limits. Without that, a read deadline that passes while the
// service is thinking would end the call.
func (r *recorder) begin(protocol int) {
	r.rolling = protocol == 1 // HTTP/2 ends a stream whose deadline passes, also an idle one
	_ = r.control.SetReadDeadline(time.Time{})
	_ = r.control.SetWriteDeadline(time.Time{}) // not every writer has deadlines
}

// end limits the time for what is left of a body that the service did not want whole, and
// for an answer of this server.
func (r *recorder) end() {
	if r.body != nil && !r.body.ended.Load() && r.status != http.StatusSwitchingProtocols {
		_ = r.control.SetReadDeadline(time.Now().Add(time.Second))
	}
	if r.status == 0 {
		_ = r.control.SetWriteDeadline(time.Now().Add(patience))
	}
}

// WriteHeader begins the answer. Informational answers are cleaned like others.
func (r *recorder) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		r.call.takeAway(r.Header())
		r.ResponseWriter.WriteHeader(status)
		return
	}
	r.status = status
	if h := r.Header(); h["Content-Type"] == nil {
		h["Content-Type"] = nil // else net/http guesses one
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if now := time.Now(); r.rolling && now.Sub(r.extended) > time.Second {
		r.extended = now
		_ = r.control.SetWriteDeadline(now.Add(patience))
	}
	written, err := r.ResponseWriter.Write(body)
	r.bytes += int64(written)
	return written, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush is what ReverseProxy asks for.
func (r *recorder) Flush() { _ = r.control.Flush() }

// requestBody counts a body, ends one that is too large, and gives the caller time for
// each piece of it.
type requestBody struct {
	io.ReadCloser
	call     *call
	request  *http.Request
	control  *http.ResponseController
	limit    int64 // 0: none
	read     atomic.Int64
	tooLarge atomic.Bool
	ended    atomic.Bool
	extended time.Time
	trailer  http.Header // of the outgoing request
}

func (c *call) newRequestBody(r *http.Request, control *http.ResponseController) *requestBody {
	return &requestBody{ReadCloser: r.Body, call: c, request: r, control: control, limit: c.service.MaxRequestBytes}
}

var errTooLarge = errors.New("body over the limit")

func (b *requestBody) Read(into []byte) (int, error) {
	if now := time.Now(); now.Sub(b.extended) > time.Second {
		b.extended = now
		_ = b.control.SetReadDeadline(now.Add(patience))
	}
	n, err := b.ReadCloser.Read(into)
	if read := b.read.Add(int64(n)); b.limit > 0 && read > b.limit {
		b.tooLarge.Store(true)
		return 0, errTooLarge
	}
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
		_ = b.control.SetReadDeadline(time.Time{})
		for name := range b.trailer {
			b.trailer[name] = b.request.Trailer[name]
		}
	}
	return n, err
}

// announce returns the trailers that go up. They are filled in at the end of the body.
func (b *requestBody) announce(given http.Header) http.Header {
	for name := range given {
		if !b.call.mayGoUp(name) {
			continue
		}
		if b.trailer == nil {
			b.trailer = http.Header{}
		}
		b.trailer[name] = nil
	}
	return b.trailer
}

// errIdle is the cause of the end of a call whose service was silent for too long.
var errIdle = errors.New("the service was silent for too long")

func idleCause(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return errIdle
	}
	return nil
}

// answerBody ends an answer whose next part takes too long, and cleans its trailers. Only
// the service's time counts, not that of a caller who reads slowly.
type answerBody struct {
	io.ReadCloser
	call   *call
	answer *http.Response
	timer  *time.Timer // nil: the service may be silent
}

func (c *call) newAnswerBody(answer *http.Response) io.ReadCloser {
	body := &answerBody{ReadCloser: answer.Body, call: c, answer: answer}
	media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	mayBeSilent := c.service.Stream || strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
	if c.service.ReadTimeout > 0 && !mayBeSilent && answer.ContentLength != 0 {
		body.timer = time.AfterFunc(c.service.ReadTimeout, func() { c.cancel(errIdle) })
	}
	return body
}

func (b *answerBody) Read(into []byte) (int, error) {
	if b.timer != nil {
		b.timer.Reset(b.call.service.ReadTimeout)
	}
	n, err := b.ReadCloser.Read(into)
	if b.timer != nil {
		b.timer.Stop()
	}
	if errors.Is(err, io.EOF) && len(b.answer.Trailer) > 0 {
		b.call.takeAway(b.answer.Trailer)
	}
	return n, err
}

func (b *answerBody) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	return b.ReadCloser.Close()
}
