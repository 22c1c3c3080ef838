package demo

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
)

func plainTransport() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true // the client's Accept-Encoding is the one that counts
	return transport
}

// reverseProxy forwards a request whose headers forward has already set.
func (g *Gateway) reverseProxy(transport http.RoundTripper) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:    transport,
		Rewrite:      g.rewrite,
		ErrorHandler: g.unreachable,
		// What ReverseProxy would log is about broken connections only, and goes to
		// the program's standard logger.
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// forward sends a request with a session to the upstream; other callers have to sign in.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request) {
	session := g.session(r)
	if session == nil {
		g.signInFirst(w, r)
		return
	}
	held, err := session.current(g.mint, g.now(), g.renew)
	if err != nil {
		g.broken(w, r)
		return
	}
	g.answerHeaders(w.Header(), session.person, held)
	out := r.Clone(r.Context())
	g.identify(out.Header, session.person, held)
	g.proxy.ServeHTTP(w, out)
}

// identify sets the headers that name the person, replacing what the client sent.
func (g *Gateway) identify(header http.Header, person Person, held tokens) {
	for _, set := range g.upstreamHeaders(person, held) {
		strip(header, set.name)
		set.put(header)
	}
	flatten(header)
}

type field struct{ name, value string }

// put sets the field; an empty one is left out.
func (f field) put(header http.Header) {
	if f.value != "" {
		header.Set(f.name, f.value)
	}
}

func identity(prefix string, person Person) []field {
	return []field{
		{prefix + "User", person.Subject},
		{prefix + "Email", person.Email},
		{prefix + "Preferred-Username", person.Username},
		{prefix + "Groups", strings.Join(person.Groups, ",")},
	}
}

// upstreamHeaders are those that the gateway controls. An empty one is not sent, nor is
// what the client sent under its name.
func (g *Gateway) upstreamHeaders(person Person, held tokens) []field {
	headers := identity("X-Forwarded-", person)
	if !g.flags.NoPassAccessToken {
		headers = append(headers, field{"X-Forwarded-Access-Token", held.access})
	}
	if g.flags.PassAuthorizationHeader {
		headers = append(headers, field{"Authorization", "Bearer " + held.id})
	}
	return headers
}

// strip removes a header in every spelling that a server might read as it: many map
// hyphens and underscores to the same variable.
func strip(header http.Header, name string) {
	for sent := range header {
		if strings.EqualFold(strings.ReplaceAll(sent, "_", "-"), name) {
			delete(header, sent)
		}
	}
}

// flatten joins repeated headers by a comma, as oauth2-proxy does.
func flatten(header http.Header) {
	for name, values := range header {
		if len(values) > 1 {
			header[name] = []string{strings.Join(values, ",")}
		}
	}
}

// rewrite directs the request to the upstream and undoes what ReverseProxy does to
// headers and queries for safety: the upstream has to receive what was sent.
func (g *Gateway) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = g.upstream.Scheme, g.upstream.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if sent, there := p.In.Header[name]; there {
			p.Out.Header[name] = sent
		}
	}
	peer, _, err := net.SplitHostPort(p.In.RemoteAddr)
	if err != nil {
		return
	}
	p.Out.Header.Set("X-Forwarded-For", strings.Join(append(p.In.Header["X-Forwarded-For"], peer), ", "))
}

// unreachable answers when the server behind did not.
func (g *Gateway) unreachable(w http.ResponseWriter, r *http.Request, _ error) {
	if r.Context().Err() != nil {
		return
	}
	g.show(w, http.StatusBadGateway, "message.html", page{
		Title:  "The server does not answer",
		Text:   "The demo gateway works, but nothing answers behind it at " + g.upstream.Host + ". Is that server still running?",
		Link:   "/",
		Action: "Try again",
	})
}

// broken answers when no token could be signed.
func (g *Gateway) broken(w http.ResponseWriter, _ *http.Request) {
	g.show(w, http.StatusInternalServerError, "message.html", page{
		Title:  "The demo is broken",
		Text:   "No pretend token could be signed. Start the demo again.",
		Link:   "/",
		Action: "Try again",
	})
}
