package gateway_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/token"
)

// askAlways asks every time, so that a test gets its question.
func askAlways(o *gateway.Options) { o.Rules.Consent = flow.ConsentAlways }

// fromOurPage are the headers of a form that a page of ours sent.
func fromOurPage() []string {
	return fetched("same-origin", "navigate", "document", "Sec-Fetch-User", "?1", "Origin", "null")
}

// TestConsentDecidesWhoIsAsked tries the ways in which a request for a loopback target arrives.
func TestConsentDecidesWhoIsAsked(t *testing.T) {
	t.Parallel()
	servers := map[flow.Consent]*t2gtest.Server{}
	for _, consent := range []flow.Consent{flow.ConsentAuto, flow.ConsentAlways, flow.ConsentNever} {
		servers[consent] = open(t, func(o *gateway.Options) { o.Rules.Consent = consent })
	}
	const firefox, page = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "text/html,*/*;q=0.8"
	for _, test := range []struct {
		name  string
		lines []string
		asked bool // under auto
	}{
		{"a program had it opened", byProgram(), false},
		{"a program without a browser", []string{"User-Agent", "curl/8.5.0", "Accept", "*/*"}, false},
		{"a program that says nothing of itself", []string{"User-Agent", ""}, false},
		{"a link on another site", inBrowser(), true},
		{"another site's script moved there", fetched("cross-site", "navigate", "document"), true},
		{"the way back from a sign-in on another port", fetched("same-site", "navigate", "document", "Sec-Fetch-User", "?1"), true},
		{"a link on a page of ours", fetched("same-origin", "navigate", "document", "Sec-Fetch-User", "?1"), true},
		{"no user activation", fetched("none", "navigate", "document"), true},
		{"another purpose", append(byProgram(), "Sec-Purpose", "other"), true},
		{"no destination", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-User", "?1", "Sec-Fetch-Mode", "navigate"}, true},
		{"the site twice", append(byProgram(), "Sec-Fetch-Site", "none"), true},
		{"more metadata than we know", []string{"Sec-Fetch-Storage-Access", "none"}, true},
		{"a browser over plain http", []string{"User-Agent", firefox, "Accept", page}, true},
		{"a browser that hides its name", []string{"User-Agent", "", "Accept", page}, true},
		{"a browser that takes anything", []string{"User-Agent", firefox, "Accept", "*/*"}, true},
	} {
		for consent, server := range servers {
			t.Run(string(consent)+", "+test.name, func(t *testing.T) {
				t.Parallel()
				want := consent == flow.ConsentAlways || consent == flow.ConsentAuto && test.asked
				for _, k := range []flowClient{tripleClient(t), jweClient(t)} {
					answer, body := get(t, server.Client(), server.Direct+k.path(), with(ofAda, test.lines...)...)
					if !want {
						k.opens(t, redirected(t, answer, body, loopback))
					} else if answer.status != http.StatusOK || pageIn(t, body).text("target-host") != "127.0.0.1:41234" {
						t.Errorf("got %d to %q, want a question", answer.status, answer.header.Get("Location"))
					}
				}
				answer, body := get(t, server.Client(), server.Direct+jweClient(t).path("target=", "responseMode=page"), with(ofAda, test.lines...)...)
				if answer.status != http.StatusOK || pageIn(t, body).text("next-page") == "" {
					t.Errorf("got %d for a page to paste, want a question", answer.status)
				}
			})
		}
	}
}

// public is the half of the key that the program shows.
func (k flowClient) public(t *testing.T) *seal.Key {
	t.Helper()
	key, err := seal.ParseKey(seal.KeyType(k.kind), k.key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestQuestionShowsClientTargetAndToken(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways, clock(at(noon)))
	k, text := jweClient(t), jwtUntil(noon.Add(time.Hour))
	const target = "http://127.0.0.1:41234/user/ada/token2go/cb?a=%31&b"
	answer, body := get(t, server.Client(), server.Direct+k.path("target="+target, "client=my tool"),
		with(text, append(byProgram(), "X-Forwarded-Preferred-Username", "ada.analyst")...)...)
	shown := pageIn(t, body)
	words := k.public(t).Words(someState)
	fingerprint := token.Fingerprint(secret.New(text))
	for id, want := range map[string]string{
		"client": "my tool", "target-host": "127.0.0.1:41234", "target": target, "who": "ada.analyst", "person": "ada.analyst",
		"words": strings.Join(words[:], ""), "fingerprint": fingerprint[:12], "lifetime": "60 minutes until 1 Mar 2026, 13:00 UTC",
		"allow": "Allow", "deny": "Deny",
	} {
		if got := shown.text(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	if got := shown.text("unasked"); !strings.Contains(got, "You did not start this? Deny.") {
		t.Errorf("got %q, want to be told when to deny", got)
	}
	if answer.header.Get("Cache-Control") != "no-store" || answer.header.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("got %q and %q, want a page that is not stored, whose form sends its origin", answer.header.Get("Cache-Control"), answer.header.Get("Referrer-Policy"))
	}
	if policy := answer.header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") || len(shown.with("script")) != 1 {
		t.Errorf("got the policy %q and %d scripts, want no form-action and one script", policy, len(shown.with("script")))
	}
	if strings.Contains(body, text) || strings.Contains(body, strings.Split(text, ".")[1]) {
		t.Error("the page holds the token")
	}
	buttons := shown.with("button")
	if len(buttons) != 2 || buttons[0].attributes["class"] != buttons[1].attributes["class"] {
		t.Errorf("got %d buttons, want two that look alike", len(buttons))
	}
}

func TestQuestionShowsUnknownValues(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	_, body := get(t, server.Client(), server.Direct+tripleClient(t).path(), with(ofAda)...)
	shown := pageIn(t, body)
	for id, want := range map[string]string{"client": "No name given", "lifetime": "unknown", "who": "–"} {
		if got := shown.text(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

// TestQuestionEscapesNames: whatever a caller can choose is text on the question and nothing
// else, so the page is built of the same elements and attributes each time.
func TestQuestionEscapesNames(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	k := jweClient(t)
	ask := func(state, client, target, person string) (page, string) {
		answer, body := get(t, server.Client(), server.Direct+k.path("state="+state, "client="+client, "target="+target),
			with(ofAda, "Accept", "text/html", "X-Forwarded-Preferred-Username", person)...)
		if answer.status != http.StatusOK {
			t.Fatalf("got %d: %s", answer.status, body)
		}
		return pageIn(t, body), body
	}
	plain, _ := ask("s", "tool", loopback, "ada")
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</form><form action=//evil.example>`,
		`--><!--`, `&lt;b&gt;`, `{{.}}`, "`${x}`", `</title><base href=//evil.example>`, `x" autofocus onfocus="alert(1)`, `javascript:alert(1)`,
	} {
		shown, body := ask(hostile, hostile, loopback+"?a="+strings.Map(inQuery, hostile), hostile)
		if got := shown.shape(); got != plain.shape() {
			t.Errorf("%s: became markup:\n%s", hostile, body)
		}
		if shown.text("client") != hostile || shown.text("who") != hostile {
			t.Errorf("got client %q, signed in %q, want %q for both", shown.text("client"), shown.text("who"), hostile)
		}
		if got, want := shown.text("target"), loopback+"?a="+strings.Map(inQuery, hostile); got != want {
			t.Errorf("got target %q, want %q", got, want)
		}
	}
}

// inQuery leaves out what no query may hold.
func inQuery(r rune) rune {
	if strings.ContainsRune(`<>"{}`+"`", r) || r <= ' ' || r > '~' || r == '#' {
		return -1
	}
	return r
}

func TestDecideHandsOverOrReportsDenial(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	for _, k := range flowClients(t) {
		for _, mode := range []string{"query", "form_post"} {
			_, question := get(t, server.Client(), server.Direct+k.path("responseMode="+mode), with(ofAda, byProgram()...)...)
			answer, body := decide(t, server.Client(), server.Direct, question, "deny", with(ofAda, fromOurPage()...)...)
			if why := refusedAtTarget(t, answer, body, loopback, "access_denied"); !strings.Contains(why, "said no") {
				t.Errorf("%s: got %q, want to be told that the person said no", k.name, why)
			}
			answer, body = decide(t, server.Client(), server.Direct, question, "allow", with(ofAda, fromOurPage()...)...)
			var fields url.Values
			if mode == "query" {
				fields = redirected(t, answer, body, loopback)
			} else {
				fields = posted(t, answer, body, loopback, "http://127.0.0.1:41234")
			}
			if got := k.opens(t, fields); got.Secret != ofAda {
				t.Errorf("%s: got %q, want the token", k.name, got.Secret)
			}
		}
	}
}

func TestDecideRefusesDeniedPastePage(t *testing.T) {
	t.Parallel()
	server := open(t)
	_, question := get(t, server.Client(), server.Direct+jweClient(t).path("target=", "responseMode=page"), with(ofAda, byProgram()...)...)
	answer, body := decide(t, server.Client(), server.Direct, question, "deny", with(ofAda, "Sec-Fetch-Site", "same-origin")...)
	refused(t, answer, body, http.StatusForbidden, "access_denied")
}

// TestDecideWorksThroughGateway walks from the question to the answer as a browser
// does, through the pretend gateway.
func TestDecideWorksThroughGateway(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	k, client := jweClient(t), server.SignedIn(t, "")
	_, question := get(t, client, server.Gateway+k.path(), byProgram()...)
	answer, body := decide(t, client, server.Gateway, question, "allow", fromOurPage()...)
	if got := k.opens(t, redirected(t, answer, body, loopback)); got.Secret == "" {
		t.Error("got no token")
	}
}

// altered sends the form of a question after an edit, to the same query or another.
func altered(t *testing.T, server *t2gtest.Server, question, action string, edit func(url.Values), lines ...string) (reply, string) {
	t.Helper()
	own, fields := pageIn(t, question).form(t)
	if action == "" {
		action = own
	}
	fields.Set("decision", "allow")
	edit(fields)
	return send(t, server.Client(), http.MethodPost, server.Direct+action, fields.Encode(),
		append([]string{"Content-Type", "application/x-www-form-urlencoded"}, lines...)...)
}

func asIs(url.Values) {}

func TestDecideRefusesEditedForm(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	_, question := get(t, server.Client(), server.Direct+tripleClient(t).path(), with(ofAda, byProgram()...)...)
	other := token.Fingerprint(secret.New("another"))
	for _, test := range []struct {
		name string
		edit func(url.Values)
	}{
		{"no seal", func(v url.Values) { v.Del("mac") }},
		{"another seal", func(v url.Values) { v.Set("mac", strings.Repeat("A", 43)) }},
		{"half a seal", func(v url.Values) { v.Set("mac", v.Get("mac")[:20]) }},
		{"a seal and more", func(v url.Values) { v.Set("mac", v.Get("mac")+"\n") }},
		{"a seal behind another", func(v url.Values) { v["mac"] = []string{"x", v.Get("mac")} }},
		{"a later end", func(v url.Values) {
			until, _ := strconv.Atoi(v.Get("expiry"))
			v.Set("expiry", strconv.Itoa(until+1))
		}},
		{"no end", func(v url.Values) { v.Del("expiry") }},
		{"no fingerprint", func(v url.Values) { v.Del("fingerprint") }},
		{"half a fingerprint", func(v url.Values) { v.Set("fingerprint", other[:32]) }},
		{"nothing but the answer", func(v url.Values) { clear(v); v.Set("decision", "allow") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := altered(t, server, question, "", test.edit, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
			refused(t, answer, body, http.StatusForbidden, "answer_refused")
		})
	}
}

func TestDecideRejectsUnknownDecision(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	_, question := get(t, server.Client(), server.Direct+tripleClient(t).path(), with(ofAda, byProgram()...)...)
	for _, decision := range []string{"", "yes", "Allow", "allow "} {
		answer, body := altered(t, server, question, "", func(v url.Values) { v.Set("decision", decision) }, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
		refused(t, answer, body, http.StatusBadRequest, "invalid_request")
	}
	answer, body := altered(t, server, question, "", func(v url.Values) { v["decision"] = []string{"deny", "allow"} }, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
	refusedAtTarget(t, answer, body, loopback, "access_denied")
}

func TestDecideRefusesAnswerToAnotherQuestion(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	k := tripleClient(t)
	_, question := get(t, server.Client(), server.Direct+k.path("client=tool"), with(ofAda, byProgram()...)...)
	m := jweClient(t)
	for name, action := range map[string]string{
		"another target": k.path("client=tool", "target=http://127.0.0.1:41235/cb"),
		"another path":   k.path("client=tool", "target=http://127.0.0.1:41234/cb/"),
		"another name":   k.path("client=tool", "target=http://localhost:41234/cb"),
		"another state":  k.path("client=tool", "state=other"),
		"another key":    k.path("client=tool", "publicKeyType="+m.kind, "publicKey="+m.key),
		"another format": k.path("client=tool", "format=jwe", "responseMode=query"),
		"another mode":   k.path("client=tool", "responseMode=form_post"),
		"another client": k.path("client=tool2"),
		"no client":      k.path(),
		"no target":      k.path("client=tool", "target=", "responseMode=page"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, body := altered(t, server, question, action, asIs, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
			refused(t, answer, body, http.StatusForbidden, "answer_refused")
		})
	}
	answer, body := altered(t, server, question, k.path("client=tool", "minTTL=60")+"&unknown=1", asIs, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
	k.opens(t, redirected(t, answer, body, loopback)) // nothing that was shown is another
	answer, body = altered(t, server, question, k.path("client=tool", "target=http://evil.example/"), asIs, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
	refused(t, answer, body, http.StatusForbidden, "target_not_allowed")
	answer, body = altered(t, server, question, k.path("client=tool", "publicKey="), asIs, with(ofAda, "Sec-Fetch-Site", "same-origin")...)
	refusedAtTarget(t, answer, body, loopback, "invalid_request")
}

func TestDecideKeepsQuestionsApart(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	first, second := tripleClient(t), jweClient(t)
	const elsewhere = "http://127.0.0.1:41235/other"
	_, one := get(t, server.Client(), server.Direct+first.path(), with(ofAda, byProgram()...)...)
	_, two := get(t, server.Client(), server.Direct+second.path("target="+elsewhere), with(ofAda, byProgram()...)...)
	answer, body := decide(t, server.Client(), server.Direct, two, "deny", with(ofAda, fromOurPage()...)...)
	refusedAtTarget(t, answer, body, elsewhere, "access_denied")
	answer, body = decide(t, server.Client(), server.Direct, one, "allow", with(ofAda, fromOurPage()...)...)
	first.opens(t, redirected(t, answer, body, loopback))
	answer, body = decide(t, server.Client(), server.Direct, two, "allow", with(ofAda, fromOurPage()...)...)
	second.opens(t, redirected(t, answer, body, elsewhere)) // the person changed their mind
}

func TestDecideAsksAgainWhenExpiredOrRenewed(t *testing.T) {
	t.Parallel()
	passed := atomic.Int64{}
	server := open(t, askAlways, clock(func() time.Time { return noon.Add(time.Duration(passed.Load())) }))
	k := jweClient(t)
	_, question := get(t, server.Client(), server.Direct+k.path(), with(ofAda, byProgram()...)...)
	for _, test := range []struct {
		name   string
		passed time.Duration
		secret string
		notice string // of the next question; none: it is answered
	}{
		{"at once", 0, ofAda, ""},
		{"in time", 10*time.Minute - time.Second, ofAda, ""},
		{"after ten minutes", 10 * time.Minute, ofAda, "ten minutes"},
		{"on a replica whose clock is a little behind", -time.Minute, ofAda, ""},
		{"long before it was asked", -time.Hour, ofAda, "ten minutes"},
		{"with another token", time.Minute, "renewed", "renewed"},
	} {
		passed.Store(int64(test.passed))
		answer, body := decide(t, server.Client(), server.Direct, question, "allow", with(test.secret, fromOurPage()...)...)
		if test.notice == "" {
			k.opens(t, redirected(t, answer, body, loopback))
			continue
		}
		if got := pageIn(t, body).text("notice"); answer.status != http.StatusOK || !strings.Contains(got, test.notice) {
			t.Errorf("%s: got %d and %q, want to be asked again and told why", test.name, answer.status, got)
			continue
		}
		answer, body = decide(t, server.Client(), server.Direct, body, "allow", with(test.secret, fromOurPage()...)...)
		if got := k.opens(t, redirected(t, answer, body, loopback)); got.Secret != test.secret {
			t.Errorf("%s: got %q after the second answer, want %q", test.name, got.Secret, test.secret)
		}
	}
	answer, body := decide(t, server.Client(), server.Direct, question, "allow", fromOurPage()...)
	refusedAtTarget(t, answer, body, loopback, "token_not_found")
}

// TestDecideRejectsOtherOrigins: fetch metadata decides where it is there, and else
// Origin against Host or the public URL.
func TestDecideRejectsOtherOrigins(t *testing.T) {
	t.Parallel()
	public, err := url.Parse("https://t2g.example.org/tokens")
	if err != nil {
		t.Fatal(err)
	}
	server := open(t, askAlways, func(o *gateway.Options) { o.PublicURL = public })
	k := tripleClient(t)
	_, question := get(t, server.Client(), server.Direct+k.path(), with(ofAda, byProgram()...)...)
	for _, test := range []struct {
		name  string
		lines []string
		own   bool
	}{
		{"metadata says so", []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"metadata says so, whatever the origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, true},
		{"the origin is the host", []string{"Host", "t2g.example.net", "Origin", "https://t2g.example.net"}, true},
		{"the origin is the public URL's", []string{"Host", "upstream:8080", "Origin", "https://t2g.example.org"}, true},
		{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, false},
		{"another port", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://t2g.example.org:444"}, false},
		{"another site with our origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://t2g.example.org"}, false},
		{"typed by hand", []string{"Sec-Fetch-Site", "none"}, false},
		{"metadata in another letter case", []string{"Sec-Fetch-Site", "Same-Origin"}, false},
		{"an origin that is kept secret", []string{"Origin", "null"}, false},
		{"another origin", []string{"Origin", "https://evil.example"}, false},
		{"another origin that begins alike", []string{"Origin", "https://t2g.example.org.evil.example"}, false},
		{"the public URL's host without TLS", []string{"Host", "upstream:8080", "Origin", "http://t2g.example.org"}, false},
		{"neither", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, decision := range []string{"allow", "deny"} {
				answer, body := decide(t, server.Client(), server.Direct, question, decision, with(ofAda, test.lines...)...)
				switch {
				case !test.own:
					refused(t, answer, body, http.StatusForbidden, "cross_site")
				case decision == "deny":
					refusedAtTarget(t, answer, body, loopback, "access_denied")
				default:
					k.opens(t, redirected(t, answer, body, loopback))
				}
			}
		})
	}
}

func TestDecideRejectsOtherBodies(t *testing.T) {
	t.Parallel()
	server := open(t, askAlways)
	address := server.Direct + tripleClient(t).path()
	_, question := get(t, server.Client(), address, with(ofAda, byProgram()...)...)
	_, fields := pageIn(t, question).form(t)
	fields.Set("decision", "allow")
	good := fields.Encode()
	for _, test := range []struct {
		name, kind, body string
		status           int
		problem          string
	}{
		{"too large", "application/x-www-form-urlencoded", good + "&x=" + strings.Repeat("x", 16<<10), 413, "body_too_large"},
		{"another type", "text/plain", good, 400, "invalid_request"},
		{"no type", "", good, 400, "invalid_request"},
		{"JSON", "application/json", `{"decision":"allow"}`, 400, "invalid_request"},
		{"parts", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=decision\r\n\r\nallow\r\n--x--\r\n", 400, "invalid_request"},
		{"broken", "application/x-www-form-urlencoded", good + "&x=%", 400, "invalid_request"},
		{"empty", "application/x-www-form-urlencoded", "", 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answer, body := send(t, server.Client(), http.MethodPost, address, test.body, with(ofAda, "Content-Type", test.kind, "Sec-Fetch-Site", "same-origin")...)
			refused(t, answer, body, test.status, test.problem)
		})
	}
	answer, body := send(t, server.Client(), http.MethodPost, address+"&"+good, "", with(ofAda, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")...)
	refused(t, answer, body, http.StatusBadRequest, "invalid_request") // an answer in the query is a link
}

// choices are the words that the second step offers.
func (p page) choices() []string {
	var words []string
	for _, one := range p.with("input") {
		if one.attributes["name"] == "word" {
			words = append(words, one.attributes["value"])
		}
	}
	return words
}

// TestReviewRequiresOneOfTheWords: what the page sends without its script never
// hands over by itself.
func TestReviewRequiresOneOfTheWords(t *testing.T) {
	t.Parallel()
	instance := open(t, askAlways)
	k := jweClient(t)
	words := k.public(t).Words(someState)
	lines := with(ofAda, fromOurPage()...)
	_, question := get(t, instance.Client(), instance.Direct+k.path(), with(ofAda, byProgram()...)...)
	for _, button := range pageIn(t, question).with("button") {
		if got := button.attributes["value"]; got != "deny" && got != "review" {
			t.Errorf("a button sends %q, want deny or review", got)
		}
	}
	answer, step := decide(t, instance.Client(), instance.Direct, question, "review", lines...)
	offered := pageIn(t, step).choices()
	if answer.status != http.StatusOK || len(offered) != 12 {
		t.Fatalf("got %d and the words %q, want twelve", answer.status, offered)
	}
	right := 0
	for _, word := range offered {
		send := func(v url.Values) { v.Set("decision", "word"); v.Set("word", word) }
		answer, body := altered(t, instance, step, "", send, lines...)
		if !slices.Contains(words[:], word) {
			refusedAtTarget(t, answer, body, loopback, "access_denied")
			continue
		}
		right++
		k.opens(t, redirected(t, answer, body, loopback))
	}
	if right != 1 || strings.Contains(step, `class="words"`) {
		t.Errorf("got %d of the client's words to choose from, want one, and no list of all four", right)
	}
	answer, again := decide(t, instance.Client(), instance.Direct, step, "word", lines...)
	if got := pageIn(t, again); answer.status != http.StatusOK || len(got.choices()) != 12 || got.text("notice") == "" {
		t.Errorf("without a word: got %d and %q, want the same step and a notice", answer.status, got.text("notice"))
	}
}

// TestQuestionHasNoAnchor: a fragment in a link finds nothing to move the focus to.
func TestQuestionHasNoAnchor(t *testing.T) {
	t.Parallel()
	instance := open(t, askAlways)
	k := jweClient(t)
	lines := with(ofAda, fromOurPage()...)
	answer, question := get(t, instance.Client(), instance.Direct+k.path("target=", "responseMode=page"), with(ofAda, byProgram()...)...)
	if got := answer.header.Get("Document-Policy"); got != "force-load-at-top" {
		t.Errorf("got the document policy %q", got)
	}
	_, step := decide(t, instance.Client(), instance.Direct, question, "review", lines...)
	_, paste := decide(t, instance.Client(), instance.Direct, question, "allow", lines...)
	for name, body := range map[string]string{"question": question, "second step": step, "paste": paste} {
		shown := pageIn(t, body)
		for _, one := range shown {
			if one.attributes["id"] != "" || one.tag == "a" && one.attributes["name"] != "" {
				t.Errorf("%s: %s has the id %q", name, one.tag, one.attributes["id"])
			}
		}
		if len(shown.with("form"))+len(shown.with("textarea")) != 1 {
			t.Errorf("%s: got another page:\n%s", name, body)
		}
	}
}
