package e2e_test

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// suite is what every gateway is asked.
func (s *chain) suite(t *testing.T) {
	if !t.Run("a person signs in at Keycloak and sees the page", s.showsThePage) {
		return // everything else would wait in vain
	}
	t.Run("a script without a session gets 401", s.refusesScripts)
	t.Run("Keycloak accepts the token of the page", s.handsOver)
	t.Run("an access token of more than 8 KB is handed over", s.handsOverLongToken)
	t.Run("the doctor names the header", s.echoNamesHeader)
	t.Run("the gateway names the person, once in each header", s.namesPerson)
	t.Run("no client chooses the name that is logged", s.ignoresClientIdentity)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Run("gets the token through a browser that signs in on the way", func(t *testing.T) { s.fresh(t, c) })
			t.Run("gets the token through a browser that is signed in", func(t *testing.T) { s.known(t, c) })
			t.Run("gets it through a link on another site once the person allows it", func(t *testing.T) { s.linked(t, c) })
			t.Run("ends with a refusal when the person denies it", func(t *testing.T) { s.denied(t, c) })
		})
	}
	t.Run("two programs that start at once both get a token", s.twoAtOnce)
	t.Run("after signing out nothing is left", s.signsOut)
}

func (s *chain) showsThePage(t *testing.T) {
	b := open(t)
	b.visit(address + "/echo?pretty&a=b%26c")
	b.signIn(ada)
	b.until(there("#headers"))
	if at := eval[string](b, "location.href"); at != address+"/echo?pretty&a=b%26c" {
		t.Errorf("the person is at %s after signing in, want to be where they were led away from", at)
	}
	b.visit(address + "/")
	b.ready()
	if who := b.text("#facts"); !strings.Contains(who, ada.name) {
		t.Errorf("the page says %q, want it to know %s", who, ada.name)
	}
}

func (s *chain) refusesScripts(t *testing.T) {
	if status, body := ask(t, "/token", "Accept", "application/json"); status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401: %.300s", status, body)
	}
}

func (s *chain) handsOver(t *testing.T) {
	b := signedIn(t, ada)
	got := b.token()
	if who := accepts(t, got.Secret); who != ada.name {
		t.Errorf("Keycloak says that the token is of %q, want %s", who, ada.name)
	}
	if said := claimsIn(t, got.Secret); said.Type != "Bearer" {
		t.Errorf("got a token of type %q, want an access token", said.Type)
	}
	if got.Header != s.header {
		t.Errorf("the token came in %s, want %s", got.Header, s.header)
	}
	if got.Expires == "" {
		t.Error("got a token without an expiry")
	}
}

func (s *chain) handsOverLongToken(t *testing.T) {
	b := signedIn(t, grace)
	got := b.token()
	if len(got.Secret) <= 8<<10 {
		t.Fatalf("got a token of %d bytes, want more than 8 KB", len(got.Secret))
	}
	if who := accepts(t, got.Secret); who != grace.name {
		t.Errorf("Keycloak says that the token is of %q, want %s", who, grace.name)
	}
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			p := c.start(t)
			b.visit(p.address())
			if token := p.token(); len(token) <= 8<<10 || accepts(t, token) != grace.name {
				t.Errorf("the program got a token of %d bytes", len(token))
			}
		})
	}
}

func (s *chain) echoNamesHeader(t *testing.T) {
	got := signedIn(t, ada).echo()
	if got.Token.Header != s.header {
		t.Errorf("the doctor names %s, want %s", got.Token.Header, s.header)
	}
	for _, verdict := range got.Verdicts {
		if verdict.Level == "bad" || verdict.Level == "warn" {
			t.Errorf("the doctor finds %s: %s: %s", verdict.Level, verdict.Title, verdict.Text)
		}
	}
}

func (s *chain) namesPerson(t *testing.T) {
	got := signedIn(t, ada).echo()
	if len(s.names) == 0 {
		t.Error("the recipe leaves to the server which headers name a person")
	}
	for _, name := range s.names {
		if values := got.Headers[http.CanonicalHeaderKey(name)]; len(values) != 1 || values[0] != ada.name && values[0] != ada.email {
			t.Errorf("%s arrives as %q, want %s alone", name, values, ada.name)
		}
	}
}

// nameHeaders are the headers in which a server looks for a person's name by default.
func nameHeaders() []string {
	return []string{
		"X-Forwarded-Preferred-Username", "X-Forwarded-Email", "X-Forwarded-User",
		"X-Auth-Request-Preferred-Username", "X-Auth-Request-Email", "X-Auth-Request-User",
		"OIDC_CLAIM_preferred_username", "OIDC_CLAIM_email", "OIDC_CLAIM_sub", "X-User", "X-Email", "Remote-User",
	}
}

// ignoresClientIdentity sends a made-up name in every header in which some server looks for one,
// and takes a token meanwhile, which is put on record.
func (s *chain) ignoresClientIdentity(t *testing.T) {
	b := signedIn(t, ada)
	for _, name := range nameHeaders() {
		for _, sent := range spellings(name) {
			made := "spoof-by-" + sent
			b.token(sent, made)
			page := b.fetch("/", "accept", "text/html", sent, made)
			if page.Status != http.StatusOK || !strings.Contains(page.Body, `<b data-id="person">`+ada.name) || strings.Contains(page.Body, made) {
				t.Errorf("%s: got %d, want a page that names %s alone", sent, page.Status, ada.name)
			}
		}
	}
	const named = `"person":"` // by the server: a gateway may log what it has removed
	record := s.lines.String()
	if !strings.Contains(record, named+ada.name) {
		t.Errorf("the log does not name %s", ada.name)
	}
	if _, after, found := strings.Cut(record, named+"spoof-by-"); found {
		t.Errorf("the log names a person by %.40q", after)
	}
}

// spellings are those that some program takes for the same name of a header.
func spellings(name string) []string {
	list := []string{name, strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "_", "-")}
	slices.Sort(list)
	return slices.Compact(list)
}

// tokenHeaders are the headers in which a server looks for a token by default.
func tokenHeaders() []string {
	return []string{
		"X-Forwarded-Access-Token", "X-Auth-Request-Access-Token", "X-Access-Token", "OIDC_access_token",
		"Access-Token", "Token", "Authorization",
	}
}

// everyHeader makes the server look at all of them, so that it is the gateway which
// removes what a client sends.
func everyHeader() string { return "T2G_TOKEN_HEADER_NAMES=" + strings.Join(tokenHeaders(), ",") }

// ignoresClientTokens sends a made-up token in every header that some server looks at, in
// every spelling that some program takes for the same.
func (s *chain) ignoresClientTokens(t *testing.T) {
	b := signedIn(t, ada)
	want := b.token()
	for _, name := range tokenHeaders() {
		for _, sent := range spellings(name) {
			if got := b.token(sent, "Bearer spoof"); got != want {
				t.Errorf("%s: got %.20s… from %s", sent, got.Secret, got.Header)
			}
			if status, _ := ask(t, "/token", "Accept", "application/json", sent, "Bearer spoof"); status != http.StatusUnauthorized {
				t.Errorf("%s: got %d without a session, want 401", sent, status)
			}
		}
	}
}

// fresh is the whole way: the program opens a browser that has no session anywhere.
func (s *chain) fresh(t *testing.T, c client) {
	p := c.start(t)
	b := open(t)
	b.visit(p.address())
	b.signIn(ada)
	// The way back from a sign-in form looks like a link on that site.
	b.allow(p)
	s.mustGetToken(t, b, p)
}

// known is the usual way: no question is asked.
func (s *chain) known(t *testing.T, c client) {
	b := signedIn(t, ada)
	p := c.start(t)
	b.visit(p.address())
	s.mustGetToken(t, b, p)
}

// twoAtOnce opens two windows of one browser that has no session anywhere. One sign-in is
// enough: Keycloak's form in the other window goes on by itself.
func (s *chain) twoAtOnce(t *testing.T) {
	b := open(t)
	windows := []*tab{b, {t: t, Tab: b.Another()}}
	var programs []*program
	for i, window := range windows {
		p := clients()[i].start(t)
		programs = append(programs, p)
		window.visit(p.address())
		window.until(there(form))
	}
	b.signIn(ada)
	for i, window := range windows {
		window.allow(programs[i])
		// Each window signs in, and so changes the token: what was asked of the one before is asked again.
		window.until("location.hostname === '127.0.0.1' || " + there("[data-id=notice]"))
		if eval[bool](window, "location.hostname !== '127.0.0.1'") {
			window.allow(programs[i])
		}
		s.mustGetToken(t, window, programs[i])
	}
}

// linked is what another site could do: the person is asked first.
func (s *chain) linked(t *testing.T, c client) {
	b, p := s.followLink(t, c)
	b.allow(p)
	s.mustGetToken(t, b, p)
}

func (s *chain) denied(t *testing.T, c client) {
	b, p := s.followLink(t, c)
	b.decide("[data-id=question] [data-id=deny]")
	if got := p.Code(t); got != 3 || p.stdout.String() != "" {
		t.Errorf("the program ended with %d and printed %q, want 3 and nothing", got, p.stdout)
	}
}

// followLink starts a program, puts its address as a link on another site's page, and lets a
// person who is signed in follow it.
func (s *chain) followLink(t *testing.T, c client) (*tab, *program) {
	t.Helper()
	p := c.start(t)
	link := p.link()
	site(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<!doctype html><title>Elsewhere</title><a id="lure" href="%s">Click</a>`, html.EscapeString(link))
	})
	b := signedIn(t, ada)
	b.visit(otherSite + "/")
	b.click("#lure")
	return b, p
}

// allow answers the question, which shows the words that the program has printed.
func (b *tab) allow(p *program) {
	b.t.Helper()
	b.until(there(question))
	words := strings.Fields(b.text("[data-id=words]"))
	if len(words) != 4 || !strings.Contains(strings.Join(strings.Fields(p.stderr.String()), " "), strings.Join(words, " ")) {
		b.t.Errorf("the question shows the words %q, and the program:\n%s", words, p.stderr)
	}
	b.decide(question)
}

// mustGetToken checks what the program printed, and where it left the browser.
func (s *chain) mustGetToken(t *testing.T, b *tab, p *program) {
	t.Helper()
	token := p.token()
	if who := accepts(t, token); who != ada.name {
		t.Errorf("Keycloak says that the token is of %q, want %s", who, ada.name)
	}
	b.until("location.hostname === '127.0.0.1' && document.readyState === 'complete'")
	if at := eval[string](b, "location.href"); strings.Contains(at, "response=") {
		t.Errorf("the browser is left at %s, with the answer in its address", at)
	}
}

func (s *chain) signsOut(t *testing.T) {
	b := signedIn(t, ada)
	if s.alone {
		b.fetch(eval[string](b, "document.querySelector('#sign-out').getAttribute('href')"))
		if got := b.fetch("/token"); got.Status != http.StatusUnauthorized {
			t.Errorf("got %d after signing out, want 401", got.Status)
		}
		b.visit(address + "/")
		b.ready() // Keycloak asks nothing
		if who := b.text("#facts"); !strings.Contains(who, ada.name) {
			t.Errorf("the page says %q, want it to know %s again", who, ada.name)
		}
		return
	}
	b.click("#sign-out")
	// Neither the gateway nor Keycloak lets this browser in again without a password.
	b.until(there(form))
	b.visit(address + "/")
	b.until(there(form))
	b.signIn(grace)
	b.ready()
	if who := b.text("#facts"); !strings.Contains(who, grace.name) {
		t.Errorf("the page says %q, want it to know the next person", who)
	}
}
