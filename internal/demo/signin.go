package demo

import (
	"cmp"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const loginCookie = "_demo_session_csrf"

// login is a pending sign-in, from the gateway to the provider and back.
type login struct {
	back    string // path and query to return to
	origin  string // of the gateway, as seen by the browser
	browser string // value of loginCookie: a link from elsewhere cannot sign a person in
	code    string // set once a person was chosen
	person  Person
}

// signInFirst answers a request without a session as oauth2-proxy does.
func (g *Gateway) signInFirst(w http.ResponseWriter, r *http.Request) {
	switch {
	case wantsJSON(r):
		encode(w, http.StatusUnauthorized, struct{}{})
	case g.flags.SkipProviderButton:
		g.begin(w, r, g.asked(r))
	default:
		g.showSignIn(w, r, http.StatusForbidden, g.asked(r))
	}
}

// asked is the path and query that the browser asked for.
func (g *Gateway) asked(r *http.Request) string {
	if g.flags.ReverseProxy {
		return cmp.Or(r.Header.Get("X-Forwarded-Uri"), r.URL.RequestURI())
	}
	return r.URL.RequestURI()
}

// signIn serves /oauth2/sign_in.
func (g *Gateway) signIn(w http.ResponseWriter, r *http.Request) {
	if g.flags.SkipProviderButton {
		g.begin(w, r, returnPath(w, r))
		return
	}
	g.showSignIn(w, r, http.StatusOK, returnPath(w, r))
}

// start serves /oauth2/start. The page with the button posts to it, since a return path
// of a megabyte would not fit into a second URL.
func (g *Gateway) start(w http.ResponseWriter, r *http.Request) { g.begin(w, r, returnPath(w, r)) }

func (g *Gateway) showSignIn(w http.ResponseWriter, r *http.Request, status int, back string) {
	back = local(back)
	path, _, _ := strings.Cut(back, "?")
	g.show(w, status, "sign_in.html", page{
		Title: "Sign in to continue",
		Back:  back,
		Asked: shorten(r.Host + path),
	})
}

// begin redirects to the provider and stores the path to return to.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request, back string) {
	state := random()
	g.logins.put(state, login{
		back: local(back), origin: g.originOfRequest(r), browser: g.browser(w, r),
	})
	target := "/provider/sign_in?state=" + state
	if g.provider != nil {
		target = originOf(g.provider) + target
	}
	redirect(w, http.StatusFound, target)
}

// browser returns the ID of a browser during sign-in. It is the same in all tabs, so that
// each of them can finish.
func (g *Gateway) browser(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(loginCookie); err == nil && len(cookie.Value) == len(random()) {
		return cookie.Value
	}
	cookie := g.cookie(loginCookie, random(), g.viaTLS(r))
	cookie.MaxAge = int((15 * time.Minute).Seconds())
	http.SetCookie(w, cookie)
	return cookie.Value
}

// provide serves the sign-in form of the pretend identity provider, and its POST.
func (g *Gateway) provide(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		g.choose(w, r)
	case http.MethodPost:
		g.chosen(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (g *Gateway) choose(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if _, known := g.logins.get(state); !known {
		g.stale(w, http.StatusBadRequest)
		return
	}
	g.show(w, http.StatusOK, "people.html", page{
		Title: "Who do you want to be?", State: state, People: g.people,
	})
}

func (g *Gateway) chosen(w http.ResponseWriter, r *http.Request) {
	if err := g.origin.Check(r); err != nil {
		g.stale(w, http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	state := r.PostFormValue("state")
	pending, known := g.logins.get(state)
	person, real := g.person(r.PostFormValue("person"))
	if !known || !real {
		g.stale(w, http.StatusBadRequest)
		return
	}
	pending.code, pending.person = random(), person
	g.logins.put(state, pending)
	target := "/oauth2/callback?" + url.Values{"code": {pending.code}, "state": {state}}.Encode()
	if g.provider != nil {
		target = pending.origin + target
	}
	redirect(w, http.StatusSeeOther, target)
}

// callback ends a sign-in. A state is valid once, whether that succeeds or not.
func (g *Gateway) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	pending, known := g.logins.take(query.Get("state"))
	cookie, err := r.Cookie(loginCookie)
	if !known || err != nil || pending.code == "" ||
		!same(pending.code, query.Get("code")) || !same(pending.browser, cookie.Value) {
		g.stale(w, http.StatusForbidden)
		return
	}
	g.end(r)
	http.SetCookie(w, g.open(pending.person, g.originOfRequest(r)))
	redirect(w, http.StatusFound, pending.back)
}

// signOut serves /oauth2/sign_out.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request) {
	g.end(r)
	gone := g.cookie(sessionCookie, "", g.viaTLS(r))
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	redirect(w, http.StatusFound, local(returnPath(w, r)))
}

func (g *Gateway) stale(w http.ResponseWriter, status int) {
	g.show(w, status, "message.html", page{
		Title:  "This sign-in cannot be finished",
		Text:   "It was finished already, is too old, or started in another browser or on another site.",
		Link:   "/",
		Action: "Start again",
	})
}

// returnPath is where the caller wants to return to, not yet checked: the rd parameter,
// or the header that nginx sets before it requests the sign-in page.
func returnPath(w http.ResponseWriter, r *http.Request) string {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if back := r.FormValue("rd"); back != "" {
		return back
	}
	return r.Header.Get("X-Auth-Request-Redirect")
}

// local returns a path and query of this origin, or "/" for anything that a browser
// could read as another origin. Browsers drop tabs and line breaks and read a backslash
// as a slash, so only visible ASCII without backslashes passes.
func local(back string) string {
	foreign := func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }
	if !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsFunc(back, foreign) {
		return "/"
	}
	return back
}

// redirect sends a Location exactly as given; http.Redirect would clean it.
func redirect(w http.ResponseWriter, status int, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
