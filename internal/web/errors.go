package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/token2go/token2go/internal/problem"
)

// Errors is a listener's table from errors to problems.
type Errors struct {
	Table []Row
	// Other finds the problem of an error that is not in the table, such as one whose
	// detail depends on the request. nil, or a nil result: an internal error.
	Other func(*http.Request, error) *problem.Problem
}

// Row is the problem of one sentinel error.
type Row struct {
	Err     error
	Problem problem.Problem
}

// Find returns the problem that an error is reported as. A Problem is returned unchanged;
// an error that no row matches is an internal error, whose cause the problem does not name.
func (e Errors) Find(r *http.Request, err error) *problem.Problem {
	if p, found := errors.AsType[*problem.Problem](err); found {
		return p
	}
	for _, row := range e.Table {
		if errors.Is(err, row.Err) {
			p := row.Problem
			return &p
		}
	}
	if e.Other != nil {
		if p := e.Other(r, err); p != nil {
			return p
		}
	}
	if tooLarge, found := errors.AsType[*http.MaxBytesError](err); found {
		return &problem.Problem{Kind: problem.BodyTooLarge, Detail: "the body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes"}
	}
	return &problem.Problem{Kind: problem.InternalError, Detail: "the operator's log has the cause"}
}

// Refusal is an error together with the problem that it is reported as.
type Refusal struct {
	Problem *problem.Problem
	Cause   error
}

func (r *Refusal) Error() string { return r.Cause.Error() }
func (r *Refusal) Unwrap() error { return r.Cause }

// Renderer writes the whole answer for a problem, headers included. Its error is logged
// only, since no other answer can be sent by then.
type Renderer func(http.ResponseWriter, *http.Request, *problem.Problem) error

// RenderJSON answers with application/problem+json.
func RenderJSON(w http.ResponseWriter, _ *http.Request, p *problem.Problem) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return Write(w, p.StatusCode(), problem.MediaType, string(body))
}

// JSON is the media type of most answers to programs.
const JSON = "application/json"

// Write sends a whole answer.
func Write(w http.ResponseWriter, status int, mediaType, body string) error {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, err := io.WriteString(w, body)
	return err
}

// Health answers /health.
func Health(w http.ResponseWriter, _ *http.Request) error {
	return Write(w, http.StatusOK, JSON, `{"status":"OK."}`)
}
