package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// maxBody bounds the body of a question, in bytes: a JWT and a page's address fit easily.
const maxBody = 32 << 10

// asked is a question about another key than the caller's own. Each member but the key may
// be absent.
type asked struct {
	Key     string `json:"key"`
	App     string `json:"app"`
	IP      string `json:"ip"`
	Referer string `json:"referer"`
	Method  string `json:"method"`
	URI     string `json:"uri"`
}

// checkOther answers an application that was given a key, and has a key with a grant of
// its own.
func (s *Server) checkOther(w http.ResponseWriter, r *http.Request) error {
	about, err := readQuestion(w, r)
	if err != nil {
		return err
	}
	if about.App, err = s.caller(r, about.App); err != nil {
		return err
	}
	verdict, err := s.about(r, about)
	if err != nil {
		return err
	}
	setRate(w.Header(), verdict.Rate)
	return writeVerdict(w, verdict)
}

func readQuestion(w http.ResponseWriter, r *http.Request) (asked, error) {
	if err := wantType(r, web.JSON); err != nil {
		return asked{}, err
	}
	var about asked
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&about); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return asked{}, err
		}
		return asked{}, &problem.Problem{Kind: problem.InvalidRequest, Detail: "the body is not the JSON object that is wanted"}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) || about.Key == "" {
		return asked{}, &problem.Problem{Kind: problem.InvalidRequest, Detail: "want one JSON object with the member key"}
	}
	return about, nil
}

func wantType(r *http.Request, wanted string) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != wanted {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: "the body is of another type, want Content-Type " + wanted}
	}
	return nil
}

// readForm reads a form that names no field of these twice.
func readForm(w http.ResponseWriter, r *http.Request, names ...string) (url.Values, error) {
	if err := wantType(r, "application/x-www-form-urlencoded"); err != nil {
		return nil, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, err
		}
		return nil, &problem.Problem{Kind: problem.InvalidRequest, Detail: "the form cannot be read"}
	}
	for _, name := range names {
		if _, err := oneOf(r.PostForm, name); err != nil {
			return nil, err
		}
	}
	return r.PostForm, nil
}

// about checks the key that an application asks about. The caller has the grant for it.
func (s *Server) about(r *http.Request, about asked) (_ check.Verdict, err error) {
	q := question{found: presented{text: about.Key}, host: hostOf(about.Referer), app: about.App}
	if about.IP != "" {
		if q.address, err = netip.ParseAddr(about.IP); err != nil {
			return check.Verdict{}, &problem.Problem{Kind: problem.InvalidRequest, Detail: "ip is not an address"}
		}
		q.address = clean(q.address)
	}
	if q.found.inURL, err = holds(about.URI, about.Key); err != nil {
		return check.Verdict{}, err
	}
	return s.decide(r, q)
}

// holds reports whether a target holds the key, so that it came in a URL.
func holds(target, key string) (bool, error) {
	plain, err := url.PathUnescape(target)
	if err != nil {
		return false, &problem.Problem{Kind: problem.InvalidRequest, Detail: "uri has an escape that is none"}
	}
	return strings.Contains(plain, key), nil
}

// caller returns the application that the caller may ask for: the one it names, or the
// only one for which its key has a grant.
func (s *Server) caller(r *http.Request, app string) (string, error) {
	found, err := s.find(r, new(url.URL))
	if err != nil {
		return "", callerInvalid()
	}
	address := s.client(r, "X-Forwarded-For")
	credential, _, err := s.credential(found.text, address)
	if err != nil {
		return "", callerRefused(err)
	}
	key, err := s.options.Checker.Identify(r.Context(), credential, address)
	if err != nil {
		return "", callerRefused(err)
	}
	if app == "" {
		if app, err = onlyApp(key.Grants); err != nil {
			return "", err
		}
	}
	if _, err := s.decide(r, question{found: found, address: address, host: pageHost(r.Header), app: app, agent: r.UserAgent()}); err != nil {
		return "", callerRefused(err)
	}
	if !slices.Contains(key.Grants, introspectGrant+app) {
		return "", &problem.Problem{
			Kind: problem.GrantMissing, Detail: "the caller's key has no grant to ask about keys for this application",
			Fix: "An administrator makes keys with the grant `introspect:APPLICATION`.",
		}
	}
	return app, nil
}

// introspectGrant, followed by an application, is the grant to ask about the keys of others.
const introspectGrant = "introspect:"

// onlyApp is the one application that the grants allow to ask for.
func onlyApp(grants []string) (string, error) {
	var apps []string
	for _, grant := range grants {
		if app, found := strings.CutPrefix(grant, introspectGrant); found {
			apps = append(apps, app)
		}
	}
	switch len(apps) {
	case 0:
		return "", nil // refused for the missing grant after the key was checked
	case 1:
		return apps[0], nil
	}
	return "", &problem.Problem{Kind: problem.InvalidRequest, Detail: "the caller's key has grants for several applications, want app to name one"}
}

func callerInvalid() *problem.Problem {
	return &problem.Problem{
		Kind: problem.CallerInvalid, Detail: "the caller must show a good key of its own, in a header",
		Fix: "Send a key with the grant `introspect:APPLICATION` as `Authorization: Bearer KEY`, or as the password of Basic.",
	}
}

// callerRefused keeps what a caller is to wait for, and the failures that are ours.
func callerRefused(err error) error {
	refusal, found := errors.AsType[*check.Refusal](err)
	if !found || refusal.RetryAfter > 0 {
		return err
	}
	return callerInvalid()
}

// introspection is the answer about a good key (RFC 7662, section 2.2).
type introspection struct {
	Active   bool   `json:"active"`
	Subject  string `json:"sub,omitempty"`
	Username string `json:"username,omitempty"`
	Scope    string `json:"scope,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	ID       string `json:"jti"`
	Client   string `json:"client_id"`
	Audience string `json:"aud"`
	Issuer   string `json:"iss,omitempty"`
}

// introspect answers as RFC 7662 has it: of a key that is not good, nothing but that.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r, "token", "app", "ip", "referer")
	if err != nil {
		return err
	}
	if form.Get("token") == "" {
		return &problem.Problem{Kind: problem.InvalidRequest, Detail: "the form lacks token"}
	}
	app, err := s.caller(r, form.Get("app"))
	if err != nil {
		return err
	}
	about := asked{Key: form.Get("token"), App: app, IP: form.Get("ip"), Referer: form.Get("referer")}
	verdict, err := s.about(r, about)
	if _, refused := errors.AsType[*check.Refusal](err); refused {
		return web.Write(w, http.StatusOK, web.JSON, `{"active":false}`)
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(s.introspection(verdict, app))
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, web.JSON, string(body))
}

func (s *Server) introspection(v check.Verdict, app string) introspection {
	answer := introspection{
		Active: true, ID: v.Key.ID.String(), Client: v.Key.ID.String(), Audience: app, Issuer: s.options.Issuer,
		Scope: scope(v.Roles),
	}
	if !v.Key.Expires.IsZero() {
		answer.Expires = v.Key.Expires.Unix()
	}
	if v.Person != nil {
		answer.Subject, answer.Username = v.Person.Subject, v.Person.Login
	}
	return answer
}

// scope lists roles with spaces. One that holds a space is left out: it would be read as
// two.
func scope(roles []string) string {
	roles = slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !isSafe(role) || strings.Contains(role, " ") })
	return strings.Join(roles, " ")
}

// revoke ends the key that is shown: anyone who found a leaked key can do so (RFC 7009). A
// key that is none is no error there.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	text, err := s.toRevoke(w, r)
	if err != nil {
		return err
	}
	address := s.client(r, "X-Forwarded-For")
	key, err := s.identify(r, text, address)
	if refusal, refused := errors.AsType[*check.Refusal](err); refused && refusal.Kind == check.InvalidKey {
		return web.Write(w, http.StatusOK, web.JSON, "{}")
	}
	if err != nil {
		return err
	}
	event := audit.Event{Action: audit.Revoke, Outcome: audit.Allowed}
	event.Attributes = append(event.Attributes, attribute("key", key.ID.String()), attribute("address", addressText(address)))
	if err := s.record(r.Context(), event); err != nil {
		return err
	}
	if err := s.options.Revoke(r.Context(), key.ID); err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, web.JSON, "{}")
}

func (s *Server) identify(r *http.Request, text string, address netip.Addr) (check.Key, error) {
	credential, _, err := s.credential(text, address)
	if err != nil {
		return check.Key{}, err
	}
	return s.options.Checker.Identify(r.Context(), credential, address)
}

// toRevoke is the form's token, or the key in a header.
func (s *Server) toRevoke(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.ContentLength == 0 {
		found, err := s.find(r, new(url.URL))
		return found.text, err
	}
	form, err := readForm(w, r, "token")
	if err != nil {
		return "", err
	}
	if form.Get("token") == "" {
		return "", &problem.Problem{Kind: problem.InvalidRequest, Detail: "the form lacks token"}
	}
	return form.Get("token"), nil
}
