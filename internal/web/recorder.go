package web

import (
	"io"
	"net/http"
)

// responseRecorder notes the status and size of an answer. http.ResponseController
// reaches the connection through it, to flush or to move the write deadline.
type responseRecorder struct {
	http.ResponseWriter
	pattern string
	status  int
	bytes   int
	noLine  bool
}

// SkipAccessLine has no access line written for a request whose audit line says as much.
func SkipAccessLine(w http.ResponseWriter) {
	if rec, isRecorder := w.(*responseRecorder); isRecorder {
		rec.noLine = true
	}
}

func (r *responseRecorder) WriteHeader(status int) {
	if informational := status < 200 && status != http.StatusSwitchingProtocols; r.status == 0 && !informational {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *responseRecorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	written, err := r.ResponseWriter.Write(body)
	r.bytes += written
	return written, err
}

// WriteString avoids copying a token into a []byte for Write.
func (r *responseRecorder) WriteString(body string) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	written, err := io.WriteString(r.ResponseWriter, body)
	r.bytes += written
	return written, err
}

func (r *responseRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func pattern(w http.ResponseWriter) string {
	if rec, isRecorder := w.(*responseRecorder); isRecorder {
		return rec.pattern
	}
	return NoRoute
}
