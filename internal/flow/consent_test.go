package flow

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
	"github.com/token2go/token2go/internal/token"
)

// opened is a way by which a request reaches the server, with the Fetch Metadata that
// Chromium sends on it. Empty means that the header is not there.
type opened struct {
	name                           string
	site, user, mode, dest, sec    string
	accept, agent, origin, referer string
	refused                        error
	asked                          bool // under auto, for a loopback target
}

const (
	html    = "text/html,application/xhtml+xml,*/*;q=0.8"
	mozilla = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"
	other   = "https://evil.example/"
)

var waysIn = []opened{
	{"a program, session present", "none", "?1", "navigate", "document", "", html, mozilla, "", "", nil, false},
	{"a program, sign-in form on another port of the host", "same-site", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"a program, sign-in form on another site", "cross-site", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"a program, silent sign-in", "none", "?1", "navigate", "document", "", html, mozilla, "", "", nil, false},
	{"a program opens a foreign address that answers 302", "none", "?1", "navigate", "document", "", html, mozilla, "", "", nil, false},
	{"a link on another site", "cross-site", "?1", "navigate", "document", "", html, mozilla, "", other, nil, true},
	{"a link on another site with noreferrer", "cross-site", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"location= without a click on another site", "cross-site", "", "navigate", "document", "", html, mozilla, "", other, nil, true},
	{"a link on another site, then back", "cross-site", "", "navigate", "document", "", html, mozilla, "", other, nil, true},
	{"a link on another site, silent sign-in on the way", "cross-site", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"a link on another site, form filled on the same host", "same-site", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"a form of another site", "cross-site", "?1", "navigate", "document", "", html, mozilla, other, other, nil, true},
	{"a link on another port", "same-site", "?1", "navigate", "document", "", html, mozilla, "", "https://host.example:444/", nil, true},
	{"location= without a click on another port", "same-site", "", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"an iframe on another port", "same-site", "", "navigate", "iframe", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"an image on another port", "same-site", "", "no-cors", "image", "", "image/*", mozilla, "", "", ErrNotNavigation, true},
	{"a script on another port", "same-site", "", "no-cors", "script", "", "*/*", mozilla, "", "", ErrNotNavigation, true},
	{"fetch on another port", "same-site", "", "no-cors", "empty", "", "*/*", mozilla, "", "", ErrNotNavigation, true},
	{"link rel=prefetch on another port", "same-site", "", "no-cors", "empty", "prefetch", "*/*", mozilla, "", "", ErrPrefetch, true},
	{"speculation rules, prefetch", "none", "", "navigate", "document", "prefetch", html, mozilla, "", "", ErrPrefetch, true},
	{"speculation rules, prerender", "none", "", "navigate", "document", "prefetch;prerender", html, mozilla, "", "", ErrPrefetch, true},
	{"same-origin fetch", "same-origin", "", "cors", "empty", "", "*/*", mozilla, "", "", ErrNotNavigation, true},
	{"same-origin form", "same-origin", "?1", "navigate", "document", "", html, mozilla, "https://own.example", "", nil, true},
	{"same-origin form of a page with no-referrer", "same-origin", "?1", "navigate", "document", "", html, mozilla, "null", "", nil, true},
	{"any browser over http to a name that is not loopback", "", "", "", "", "", html, mozilla, "", "", nil, true},

	{"a program without a browser", "", "", "", "", "", "*/*", "curl/8.5.0", "", "", nil, false},
	{"a program that says nothing of itself", "", "", "", "", "", "", "", "", "", nil, false},
	{"no metadata, but a page is wanted", "", "", "", "", "", html, "", "", "", nil, true},
	{"no metadata, but a browser's name", "", "", "", "", "", "*/*", mozilla, "", "", nil, true},
	{"only the site is told", "none", "", "", "", "", "", "", "", "", nil, true},
	{"only the user is told", "", "?1", "", "", "", "", "", "", "", nil, true},
	{"no user", "none", "", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"a user who did nothing", "none", "?0", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"no mode", "none", "?1", "", "document", "", html, mozilla, "", "", nil, true},
	{"no destination", "none", "?1", "navigate", "", "", html, mozilla, "", "", nil, true},
	{"another purpose", "none", "?1", "navigate", "document", "other", html, mozilla, "", "", nil, true},
	{"an object element", "none", "?1", "navigate", "object", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"an embed element", "none", "?1", "navigate", "embed", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"a frame", "none", "?1", "navigate", "frame", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"a fenced frame", "none", "?1", "navigate", "fencedframe", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"letter case of the site", "None", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
	{"letter case of the destination", "none", "?1", "navigate", "Document", "", html, mozilla, "", "", ErrNotNavigation, true},
	{"two sites in one", "none, none", "?1", "navigate", "document", "", html, mozilla, "", "", nil, true},
}

func (o opened) header() http.Header {
	h := headers("t0ken")
	for name, value := range map[string]string{
		"Sec-Fetch-Site": o.site, "Sec-Fetch-User": o.user, "Sec-Fetch-Mode": o.mode, "Sec-Fetch-Dest": o.dest,
		"Sec-Purpose": o.sec, "Accept": o.accept, "User-Agent": o.agent, "Origin": o.origin, "Referer": o.referer,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	return h
}

func TestCheckNavigationRefusesWhatNoPersonOpened(t *testing.T) {
	for _, way := range waysIn {
		if err := CheckNavigation(way.header()); !errors.Is(err, way.refused) {
			t.Errorf("%s: got %v, want %v", way.name, err, way.refused)
		}
	}
	h := headers("", "Sec-Fetch-Dest: document", "Sec-Fetch-Dest: iframe")
	if err := CheckNavigation(h); !errors.Is(err, ErrNotNavigation) {
		t.Errorf("two destinations: got %v, want %v", err, ErrNotNavigation)
	}
	h = headers("", "Sec-Purpose: other", "Sec-Purpose: prefetch;prerender")
	if err := CheckNavigation(h); !errors.Is(err, ErrPrefetch) {
		t.Errorf("two purposes: got %v, want %v", err, ErrPrefetch)
	}
}

// TestConsentDecidesWhoIsAsked walks every way in under every setting, for every kind of answer.
func TestConsentDecidesWhoIsAsked(t *testing.T) {
	loopback := ask(t)
	always := map[string]string{
		"a pattern's target": ask(t, "target=https://app.example.org/cb"),
		"a page to paste":    ask(t, "-target", "responseMode=page"),
	}
	for _, way := range waysIn {
		for _, consent := range []Consent{ConsentAuto, ConsentAlways, ConsentNever, ""} {
			t.Run(fmt.Sprintf("%s, consent %s", way.name, consent), func(t *testing.T) {
				f := newFlow()
				f.Rules.Consent, f.Rules.Targets = consent, patterns(t, "https://app.example.org/cb")
				wanted := consent == ConsentAlways || consent != ConsentNever && way.asked
				checkAsked(t, f, loopback, way.header(), wanted)
				for name, rawQuery := range always {
					t.Run(name, func(t *testing.T) { checkAsked(t, f, rawQuery, way.header(), true) })
				}
			})
		}
	}
}

func checkAsked(t *testing.T, f *Flow, rawQuery string, h http.Header, want bool) {
	t.Helper()
	outcome, err := f.Begin(rawQuery, h)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome.Question != nil; got != want || got == (outcome.Answer != nil) {
		t.Errorf("asked: got %t (answered: %t), want %t", got, outcome.Answer != nil, want)
	}
}

func TestConsentAsksOnDoubledHeaders(t *testing.T) {
	for _, line := range []string{
		"Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site", "Sec-Fetch-User: ?1", "Sec-Fetch-Mode: navigate",
		"Sec-Fetch-Dest: document", "Sec-Purpose: ",
	} {
		if openedByProgram(headers("", append([]string{line}, byProgram...)...)) {
			t.Errorf("%s once more: not asked, want a question", line)
		}
	}
	for _, line := range []string{"Sec-Fetch-Storage-Access: none", "Sec-Fetch-Site: ", "Accept: text/html", "User-Agent: Mozilla/5.0"} {
		if openedByProgram(headers("", "Accept: */*", "User-Agent: curl/8", line)) {
			t.Errorf("%s beside what a program sends: not asked, want a question", line)
		}
	}
}

// always is a flow that asks every time.
func always() *Flow {
	f := newFlow()
	f.Rules.Consent = ConsentAlways
	return f
}

// question begins a request that must be asked for.
func question(t testing.TB, f *Flow, rawQuery, accessToken string) *Question {
	t.Helper()
	outcome, err := f.Begin(rawQuery, headers(accessToken, byProgram...))
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Question == nil || outcome.Answer != nil {
		t.Fatal("answered, want a question")
	}
	return outcome.Question
}

func TestBeginShowsTheClientsFourWords(t *testing.T) {
	key, err := seal.NewKey(&testRSA(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	asked := question(t, always(), ask(t), "t0ken")
	if want := key.Words("st4te"); asked.Words != want || asked.Again != "" {
		t.Errorf("got %v and %q, want %v and no reason to ask again", asked.Words, asked.Again, want)
	}
}

func TestDecideAllowHandsOver(t *testing.T) {
	f := always()
	asked := question(t, f, ask(t), "t0ken")
	outcome, err := f.Decide(ask(t), headers("t0ken"), Decision{Choice: Allow, Binding: asked.Binding})
	if err != nil || outcome.Answer == nil || outcome.Question != nil {
		t.Fatalf("got %v, want an answer", err)
	}
	if got := added(t, outcome.Answer.Location, plainTarget).Get("state"); got != "st4te" {
		t.Errorf("got state %q, want st4te", got)
	}
}

func TestDecideDenyIsSentToTheClient(t *testing.T) {
	f := always()
	asked := question(t, f, ask(t), "t0ken")
	outcome, err := f.Decide(ask(t), headers("t0ken"), Decision{Binding: asked.Binding})
	checkSent(t, refused(t, err), AccessDenied, "the person said no", "st4te")
	if outcome.Answer != nil || outcome.Question != nil {
		t.Error("got an answer or a question, want neither")
	}
}

func TestDecidePageShowsTheTextOnlyWhenAllowed(t *testing.T) {
	f, rawQuery := newFlow(), ask(t, "-target", "responseMode=page")
	binding := question(t, f, rawQuery, "t0ken").Binding
	outcome, err := f.Decide(rawQuery, headers("t0ken"), Decision{Choice: Allow, Binding: binding})
	if err != nil || outcome.Answer == nil || outcome.Answer.Sealed == "" || outcome.Answer.Location != "" {
		t.Errorf("got %+v and %v, want a sealed text", outcome.Answer, err)
	}
	outcome, err = f.Decide(rawQuery, headers("t0ken"), Decision{Binding: binding})
	if _, sent := refused(t, err).Location(); sent || outcome.Answer != nil {
		t.Error("denied: sent somewhere or answered, want neither")
	}
}

func TestDecideRefusesAnswerToAnotherQuestion(t *testing.T) {
	f := always()
	f.Rules.Targets = patterns(t, "https://app.example.org/**")
	first := ask(t, "client=tool", "format=triple")
	binding := question(t, f, first, "t0ken").Binding
	curve := jwkOf(t, &testEC(t).PublicKey)
	for name, change := range map[string][]string{
		"another port":          {"target=http://127.0.0.1:41235/cb"},
		"another loopback name": {"target=http://localhost:41234/cb"},
		"another path":          {"target=http://127.0.0.1:41234/cb/"},
		"a query":               {"target=http://127.0.0.1:41234/cb?a"},
		"a pattern's target":    {"target=https://app.example.org/cb"},
		"page":                  {"-target", "responseMode=page", "format=jwe"},
		"another state":         {"state=st4tf"},
		"a state with more":     {"state=st4te "},
		"another key":           {"publicKeyType=jwk", "publicKey=" + curve, "format=jwe"},
		"another format":        {"format=jwe", "responseMode=query"},
		"another mode":          {"responseMode=form_post"},
		"auto for query":        {"responseMode=auto"},
		"another client":        {"client=tool2"},
		"no client":             {"-client"},
		"client and state swap": {"client=st4te", "state=tool"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := ask(t, append([]string{"client=tool", "format=triple"}, change...)...)
			for _, choice := range []Choice{Allow, Deny, Review, Chosen} {
				outcome, err := f.Decide(changed, headers("t0ken"), Decision{Choice: choice, Binding: binding})
				checkEdited(t, outcome, err)
			}
		})
	}
}

func checkEdited(t testing.TB, outcome Outcome, err error) {
	t.Helper()
	if !errors.Is(err, ErrEdited) || outcome.Answer != nil {
		t.Fatalf("got %v, answered %t, want %v", err, outcome.Answer != nil, ErrEdited)
	}
	if location, sent := refused(t, err).Location(); sent {
		t.Fatalf("redirects to %s, want a forged answer answered here", location)
	}
}

func TestDecideAcceptsTheSameKeyInAnotherSpelling(t *testing.T) {
	f := always()
	first := ask(t, "format=triple", "responseMode=query")
	binding := question(t, f, first, "t0ken").Binding
	jwk := jwkOf(t, &testRSA(t).PublicKey)
	for _, key := range []string{jwk, base64.RawURLEncoding.EncodeToString([]byte(jwk))} {
		second := ask(t, "format=triple", "responseMode=query", "publicKeyType=jwk", "publicKey="+key)
		if outcome, err := f.Decide(second, headers("t0ken"), Decision{Choice: Allow, Binding: binding}); err != nil || outcome.Answer == nil {
			t.Errorf("got %v, want an answer: it is sealed to the key that was shown", err)
		}
	}
}

func TestDecideRefusesEditedForm(t *testing.T) {
	f := always()
	good := question(t, f, ask(t), "t0ken").Binding
	expiry, err := strconv.Atoi(good.Expiry)
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Binding){
		"a later expiry":            func(b *Binding) { b.Expiry = strconv.Itoa(expiry + 1) },
		"an earlier expiry":         func(b *Binding) { b.Expiry = strconv.Itoa(expiry - 1) },
		"an expiry with a sign":     func(b *Binding) { b.Expiry = "+" + b.Expiry },
		"an expiry with a zero":     func(b *Binding) { b.Expiry = "0" + b.Expiry },
		"an expiry with a space":    func(b *Binding) { b.Expiry += " " },
		"no expiry":                 func(b *Binding) { b.Expiry = "" },
		"an endless expiry":         func(b *Binding) { b.Expiry = "9223372036854775807" },
		"no MAC":                    func(b *Binding) { b.MAC = "" },
		"half a MAC":                func(b *Binding) { b.MAC = b.MAC[:21] },
		"a MAC of zeros":            func(b *Binding) { b.MAC = strings.Repeat("A", 43) },
		"a MAC with padding":        func(b *Binding) { b.MAC += "=" },
		"a MAC with a line end":     func(b *Binding) { b.MAC += "\n" },
		"a MAC with a break inside": func(b *Binding) { b.MAC = b.MAC[:20] + "\r\n" + b.MAC[20:] },
		"a MAC with more":           func(b *Binding) { b.MAC += "AAAA" },
		"a MAC in hexadecimal":      func(b *Binding) { b.MAC = fmt.Sprintf("%x", b.MAC) },
		"another first letter":      func(b *Binding) { b.MAC = string(b.MAC[0]^1) + b.MAC[1:] },
		"stray bits at the end":     func(b *Binding) { b.MAC = stray(b.MAC) },
		"no fingerprint":            func(b *Binding) { b.Fingerprint = "" },
		"half a fingerprint":        func(b *Binding) { b.Fingerprint = b.Fingerprint[:32] },
		"fingerprint with more":     func(b *Binding) { b.Fingerprint += "0" },
		"nothing at all":            func(b *Binding) { *b = Binding{} },
	} {
		t.Run(name, func(t *testing.T) {
			edited := good
			edit(&edited)
			for _, choice := range []Choice{Allow, Deny, Review, Chosen} {
				outcome, err := f.Decide(ask(t), headers("t0ken"), Decision{Choice: choice, Binding: edited})
				checkEdited(t, outcome, err)
			}
		})
	}
}

// stray changes the two bits of a MAC's last letter that hold nothing.
func stray(mac string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, mac[len(mac)-1])
	return mac[:len(mac)-1] + letters[last|3:last|3+1]
}

func TestDecideAsksAgainForRenewedToken(t *testing.T) {
	f := always()
	first := question(t, f, ask(t), "t0ken").Binding
	decision := Decision{Choice: Allow, Binding: first}
	outcome, err := f.Decide(ask(t), headers("renewed"), decision)
	if err != nil || outcome.Question == nil || outcome.Answer != nil || !strings.Contains(outcome.Question.Again, "renewed") {
		t.Fatalf("got %+v and %v, want another question that says why", outcome, err)
	}
	if outcome.Question.Binding.Fingerprint != token.Fingerprint(secret.New("renewed")) {
		t.Error("the new question is bound to the old token")
	}
	decision.Binding = outcome.Question.Binding
	if outcome, err = f.Decide(ask(t), headers("renewed"), decision); err != nil || outcome.Answer == nil {
		t.Errorf("got %v, want the second answer to be accepted", err)
	}
}

// TestDecideAsksAgainForAnotherFingerprint: editing it only causes a question.
func TestDecideAsksAgainForAnotherFingerprint(t *testing.T) {
	f := always()
	binding := question(t, f, ask(t), "t0ken").Binding
	binding.Fingerprint = token.Fingerprint(secret.New("another"))
	outcome, err := f.Decide(ask(t, "state=other"), headers("t0ken"), Decision{Choice: Allow, Binding: binding})
	if err != nil || outcome.Question == nil || outcome.Answer != nil {
		t.Errorf("got %+v and %v, want a question", outcome, err)
	}
}

func TestDecideAsksAgainWhenExpired(t *testing.T) {
	f := always()
	binding := question(t, f, ask(t), "t0ken").Binding
	for _, test := range []struct {
		name   string
		passed time.Duration
		valid  bool
	}{
		{"at once", 0, true},
		{"after nine minutes", 9 * time.Minute, true},
		{"a second before ten minutes", 10*time.Minute - time.Second, true},
		{"after ten minutes", 10 * time.Minute, false},
		{"after a day", 24 * time.Hour, false},
		{"on a replica whose clock is a minute behind", -time.Minute, true},
		{"before the question, so that it would live longer", -time.Minute - time.Second, false},
		{"long before the question", -240 * time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.Now = func() time.Time { return now.Add(test.passed) }
			outcome, err := f.Decide(ask(t), headers("t0ken"), Decision{Choice: Allow, Binding: binding})
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome.Answer != nil; got != test.valid || got == (outcome.Question != nil) {
				t.Errorf("got it answered: %t, want %t", got, test.valid)
			}
			if outcome.Question != nil && !strings.Contains(outcome.Question.Again, "ten minutes") {
				t.Errorf("got %q, want the reason", outcome.Question.Again)
			}
		})
	}
}

func TestDecideAcceptsAnswerOnEveryReplica(t *testing.T) {
	binding := question(t, always(), ask(t), "t0ken").Binding
	outcome, err := always().Decide(ask(t), headers("t0ken"), Decision{Choice: Allow, Binding: binding})
	if err != nil || outcome.Answer == nil {
		t.Errorf("got %v, want an answer: nothing is kept by the server", err)
	}
}

func TestDecideChecksTheRequestAgain(t *testing.T) {
	f := always()
	binding := question(t, f, ask(t), "t0ken").Binding
	for name, change := range map[string]string{"target": "target=http://evil.example/", "second target": "+target=" + plainTarget} {
		_, err := f.Decide(ask(t, change), headers("t0ken"), Decision{Choice: Allow, Binding: binding})
		if location, sent := refused(t, err).Location(); sent {
			t.Errorf("%s: redirects to %s, want no redirect", name, location)
		}
	}
	_, err := f.Decide(ask(t), headers(""), Decision{Choice: Allow, Binding: binding})
	checkSent(t, refused(t, err), TokenNotFound, "sent no token", "st4te")
	_, err = f.Decide(ask(t), headers(jwt(t, now.Add(-time.Hour), 0)), Decision{Choice: Allow, Binding: binding})
	checkSent(t, refused(t, err), TokenExpiring, "expired", "st4te")
}

// TestBindingHoldsNothingOfTheToken: it is part of a page.
func TestBindingHoldsNothingOfTheToken(t *testing.T) {
	const marked = "m4rked-t0ken-value"
	binding := question(t, always(), ask(t), marked).Binding
	if text := fmt.Sprintf("%+v", binding); strings.Contains(text, marked) {
		t.Errorf("got %s with the token in it", text)
	}
	if mac, err := base64.RawURLEncoding.DecodeString(binding.MAC); err != nil || len(mac) != 32 {
		t.Errorf("got a MAC of %d bytes (%v), want 32", len(mac), err)
	}
}

func FuzzDecision(f *testing.F) {
	flow, rawQuery := always(), ask(f, "client=tool")
	good := question(f, flow, rawQuery, "t0ken").Binding
	f.Add("t0ken", good.Fingerprint, good.Expiry, good.MAC, "tool", int64(0), true)
	f.Add("t0ken", good.Fingerprint, good.Expiry, good.MAC, "tool", int64(599), false)
	f.Add("t0ken", good.Fingerprint, good.Expiry, good.MAC+"\n", "tool", int64(0), true)
	f.Add("t0ken", good.Fingerprint, " "+good.Expiry, good.MAC, "tool", int64(600), true)
	f.Add("other", "", "", "", "", int64(-61), true)
	f.Fuzz(func(t *testing.T, accessToken, fingerprint, expiry, mac, client string, later int64, allow bool) {
		at := always()
		at.Now = func() time.Time { return now.Add(time.Duration(later%10_000_000) * time.Second) }
		h := http.Header{"X-Forwarded-Access-Token": {accessToken}}
		choice := Deny
		if allow {
			choice = Allow
		}
		decision := Decision{Choice: choice, Binding: Binding{Fingerprint: fingerprint, Expiry: expiry, MAC: mac}}
		outcome, err := at.Decide(ask(t, "client="+client), h, decision)
		seconds := later % 10_000_000
		genuine := decision.Binding == good && client == "tool" && outcome.Found.Secret.Reveal() == "t0ken" && seconds < 600 && seconds >= -60
		if handed := outcome.Answer != nil; handed != (genuine && allow) {
			t.Fatalf("handed over: %t, want %t: %+v at %d seconds", handed, genuine && allow, decision, seconds)
		}
		var refusal *Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("got %v, want a refusal", err)
		}
		if denied := refusal != nil && refusal.Code == AccessDenied; denied != (genuine && !allow) {
			t.Fatalf("denied: %t, want %t", denied, genuine && !allow)
		}
	})
}
