package browsertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/token2go/token2go/internal/demo"
	"github.com/token2go/token2go/internal/flow"
	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
	"github.com/token2go/token2go/internal/t2gtest/process"
)

// pageState is a page in a state that a person may find it in.
type pageState struct {
	name    string
	web     func(*gateway.Options)
	demo    func(*demo.Options)
	stage   func(t *testing.T, b *tab, instance *t2gtest.Server)
	expects []string // what the browser complains of
	keys    bool     // the server makes API keys
	turned  bool     // the dark colours are the light ones behind a filter, which axe-core does not see
}

// asDemo makes a server one of a demo, as the demo command does.
func asDemo(o *gateway.Options) {
	withSignIn(o)
	o.Demo = "Pretend people, pretend tokens. Nothing here is protected."
}

func pageStates() []pageState {
	return []pageState{
		{name: "masked", stage: onTokenPage()},
		{name: "shown", stage: onTokenPage("#show", "#with-token", "#claims-raw summary")},
		{name: "to be deleted", stage: onTokenPage("#auto-delete")},
		{name: "deleted", stage: onTokenPage("#delete")},
		{name: "expires soon", demo: neverRenewed, stage: after(4*time.Minute+5*time.Second, "warning")},
		{name: "expired", demo: neverRenewed, stage: after(10*time.Minute, "expired")},
		{name: "session ended", stage: sessionEnded, expects: []string{unauthorized}},
		{name: "no token", demo: func(o *demo.Options) { o.Flags.NoPassAccessToken = true }, stage: onTokenPage()},
		{name: "operators HTML", web: operatorsWords, stage: onTokenPage()},
		{name: "long names", web: longNames, stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			behind("/", longPerson(t))(t, b, instance)
			b.Click("#show")
		}},
		{name: "opaque", stage: behind("/", map[string]string{"X-Forwarded-Access-Token": "gho_16C7e42F292c6912E7710c838347Ae178B4a"})},
		{name: "without scripts", stage: func(_ *testing.T, b *tab, instance *t2gtest.Server) {
			b.signIn(instance, "")
			b.setScripts(false)
			b.Visit(instance.Gateway + "/")
		}},
		{name: "question", web: askAlways, stage: asked("client", "QGIS token plugin", "target", "http://127.0.0.1:41234/callback/3f9a")},
		{name: "question without a name", web: askAlways, stage: asked("port", "41234", "path", "callback")},
		{name: "question of another server", web: hubTargets, stage: asked("client", strings.Repeat("Wörkbench", 7), "target",
			"https://hub.example.org/user/somebody-with-a-rather-long-name/token2go/back?room="+strings.Repeat("0123456789", 12))},
		{name: "question of a page", stage: asked("client", "Notebook", "responseMode", "page")},
		{name: "question for a word", web: askAlways, stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			b.setScripts(false)
			asked("client", "QGIS token plugin", "target", "http://127.0.0.1:41234/callback/3f9a")(t, b, instance)
			b.Click("[data-id=allow]")
			b.Until("document.querySelector('[data-id=choices]')")
		}},
		{name: "paste", stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			asked("client", "Notebook", "responseMode", "page")(t, b, instance)
			b.Decide("[data-id=allow]")
			b.Until("document.querySelector('[data-id=sealed]')")
		}},
		{name: "form without scripts", stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			b.setScripts(false)
			asked("client", "QGIS token plugin", "responseMode", "form_post", "target", "http://127.0.0.1:41234/callback")(t, b, instance)
		}},
		{name: "404", stage: signedIn("/nothing/here"), expects: []string{"404"}},
		{name: "403", stage: behind("/echo", map[string]string{"Sec-Fetch-Dest": "iframe"}), expects: []string{"403"}},
		{name: "431", stage: behind("/", map[string]string{"X-Forwarded-Groups": strings.Repeat("group,", 11_000)}), expects: []string{"431"}},
		{name: "400", stage: signedIn("/flow/redirect/token?publickey=1&state=2"), expects: []string{"400"}},
		{name: "doctor", stage: signedIn("/echo?room=7")},
		{name: "doctor with findings", stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			behind("/echo?code=abc", findings(t))(t, b, instance)
			b.Click(".verdict details summary")
		}},
		{name: "doctor without a token", demo: func(o *demo.Options) { o.Flags.NoPassAccessToken = true }, stage: signedIn("/echo")},
		{name: "demo gateway", stage: func(_ *testing.T, b *tab, instance *t2gtest.Server) { b.Visit(instance.Gateway + "/") }, expects: []string{"403"}},
		{name: "demo provider", stage: func(_ *testing.T, b *tab, instance *t2gtest.Server) {
			b.Visit(instance.Gateway + "/")
			b.Click("main button")
			b.waitForAddress(instance.Gateway + "/provider/sign_in")
		}, expects: []string{"403"}},
		{name: "demo stale", stage: func(_ *testing.T, b *tab, instance *t2gtest.Server) {
			b.Visit(instance.Gateway + "/provider/sign_in?state=old")
		}, expects: []string{"400"}},
		{name: "keys none", keys: true, stage: keysStage(func(*tab) {})},
		{name: "keys form", keys: true, stage: keysStage(func(b *tab) { b.Click("details.more summary") })},
		{name: "keys form refused", keys: true, expects: []string{"400"}, stage: keysStage(func(b *tab) {
			b.Click("details.more summary")
			b.enter("#key-name", "Nightly job")
			b.enter("#networks", "10.0.0")
			b.Click("#make")
			b.Until("document.getElementById('networks-error')")
		})},
		{name: "keys made", keys: true, stage: keysStage(func(b *tab) {
			b.makeKey(strings.Repeat("A rather long name ", 5), "10.0.0.0/8\n192.0.2.7")
			b.Click("#calls-gdal summary")
		})},
		{name: "keys", keys: true, stage: keysStage(func(b *tab) {
			b.makeKey("Nightly job", "10.0.0.0/8")
			b.makeKey(strings.Repeat("Donaudampfschifffahrt", 4), "")
			b.Visit(b.origin() + "/keys")
		})},
		{name: "key", keys: true, stage: keysStage(func(b *tab) {
			b.makeKey("Nightly job", "10.0.0.0/8")
			b.Click("a.button[href*='/keys/']")
			b.Until("document.getElementById('try-address')")
		})},
		{name: "key tried", keys: true, stage: keysStage(func(b *tab) {
			b.makeKey("Nightly job", "10.0.0.0/8")
			b.Click("a.button[href*='/keys/']")
			b.enter("#try-address", "192.0.2.1")
			b.Click("#ask")
			b.Until("document.getElementById('verdict')")
		})},
		{name: "key revoked", keys: true, stage: keysStage(func(b *tab) {
			b.makeKey("Nightly job", "10.0.0.0/8")
			b.Click("a.button[href*='/keys/']")
			b.enter("#reason", "It was in a notebook that I shared")
			b.Click("#revoke .choice")
			b.Click("#revoke-it")
			b.Until("document.querySelector('#facts ~ .warn')")
		})},
		{name: "admin", keys: true, stage: adminStage("/admin")},
		{name: "admin refused", keys: true, expects: []string{"400"}, stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			adminStage("/admin")(t, b, instance)
			b.enter("#key-name", "Gateway")
			b.enter("#owner", "platform")
			b.enter("#grants", "root")
			b.Click("#make")
			b.Until("document.getElementById('grants-error')")
		}},
		{name: "admin person", keys: true, stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			adminStage("/admin?q=ada")(t, b, instance)
			b.Click("#people a")
			b.Until("document.getElementById('revoke-all')")
		}},
		{name: "admin key of another", keys: true, stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			adminStage("/admin?q=nightly")(t, b, instance)
			b.Click("#keys a")
			b.Until("document.getElementById('key-id')")
		}},
		{name: "admin events", keys: true, stage: adminStage("/admin/events?actor=0")},
		{name: "admin signing keys", keys: true, stage: adminStage("/admin/signing-keys")},
		{name: "admin for others", keys: true, expects: []string{"403"}, stage: keysStage(func(b *tab) { b.Visit(b.origin() + "/admin") })},
		{name: "API", stage: func(t *testing.T, b *tab, instance *t2gtest.Server) {
			signedIn("/swagger-ui/")(t, b, instance)
			b.Until("document.querySelectorAll('.opblock').length > 0")
		}, turned: true},
	}
}

// onTokenPage shows the token's page and clicks on it.
func onTokenPage(clicks ...string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(_ *testing.T, b *tab, instance *t2gtest.Server) {
		b.openTokenPage(instance)
		for _, selector := range clicks {
			b.Click(selector)
		}
	}
}

func after(d time.Duration, state string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(_ *testing.T, b *tab, instance *t2gtest.Server) {
		b.openTokenPage(instance)
		b.advanceClock(d)
		b.waitForState(state)
	}
}

func sessionEnded(_ *testing.T, b *tab, instance *t2gtest.Server) {
	b.openTokenPage(instance)
	eval[chromedp.Void](b, `fetch("/oauth2/sign_out", {redirect: "manual"})`)
	b.Click("#reload")
	b.waitForState("ended")
}

func signedIn(path string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(_ *testing.T, b *tab, instance *t2gtest.Server) {
		b.signIn(instance, "")
		b.Visit(instance.Gateway + path)
	}
}

// behind opens a page behind a gateway that sends these headers.
func behind(path string, headers map[string]string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(t *testing.T, b *tab, instance *t2gtest.Server) {
		b.Visit(startGateway(t, instance, headers) + path)
		b.Until("document.getElementById('app')?.dataset.state !== 'loading'")
	}
}

// asked opens the address that a program with these parameters opens.
func asked(more ...string) func(*testing.T, *tab, *t2gtest.Server) {
	return func(t *testing.T, b *tab, instance *t2gtest.Server) {
		b.signIn(instance, "")
		b.Visit(startListener(t, "127.0.0.1").flowURL(instance, more...))
	}
}

func hubTargets(o *gateway.Options) {
	pattern, err := flow.ParsePattern("https://hub.example.org/user/*/token2go/**")
	if err != nil {
		panic(err) // a pattern of this file is wrong
	}
	o.Rules.Targets = []flow.Pattern{pattern}
}

func operatorsWords(o *gateway.Options) {
	o.Texts.Title, o.Texts.Target = "Data Hub", "Data Hub"
	o.Texts.Desc1 = `<p>Use it with our <a href="/docs">interfaces</a>. It lasts an hour.</p>`
	o.Texts.Desc2 = `<p>Three things to know:</p><ul><li>It is yours alone.</li><li>It carries the role <code>reader</code>.</li>
		<li>Questions go to <a href="mailto:hub@example.org">hub@example.org</a>.</li></ul>`
	o.Texts.Misc = `<h2>From the command line</h2><p>Install the client and fetch tokens without this page:</p>
		<pre tabindex="0">pip install hub-tools
hub login --with-token2go --profile production</pre>
		<table><tr><th scope="col">Interface</th><th scope="col">Address</th></tr>
		<tr><td>Catalogue</td><td><code>https://catalogue.example.org/stac/v1</code></td></tr>
		<tr><td>Tiles</td><td><code>https://tiles.example.org/{z}/{x}/{y}</code></td></tr></table>
		<blockquote>Tokens are keys: keep them out of notebooks that you share.</blockquote>`
}

func longNames(o *gateway.Options) {
	o.Texts.Title = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, Data and Services"
	o.Texts.Target = "Rechtsschutzversicherungsgesellschaftenverzeichnisdienst of the European Centre"
}

func longPerson(t *testing.T) map[string]string {
	t.Helper()
	name := "wolfeschlegelsteinhausenbergerdorff.hubert.blaine@" + strings.Repeat("long-", 9) + "name.example.org"
	return map[string]string{
		"X-Forwarded-Preferred-Username": name,
		"X-Forwarded-Access-Token": claims(t, map[string]any{
			"iss": "https://login.example.org/realms/" + strings.Repeat("realm-", 20), "preferred_username": name,
			"aud": []string{strings.Repeat("analysts-of-everything-", 5), "short"}, "exp": time.Now().Add(90 * 24 * time.Hour).Unix(),
		}),
	}
}

// findings are headers in which the doctor finds much.
func findings(t *testing.T) map[string]string {
	t.Helper()
	past := time.Now().Add(-20 * time.Minute)
	return map[string]string{
		"X-Forwarded-Access-Token": claims(t, map[string]any{
			"iss": "https://issuer.example", "iat": past.Add(-time.Hour).Unix(), "exp": past.Unix(), "roles": strings.Repeat("role ", 900),
		}),
		"Authorization":                  "Bearer " + claims(t, map[string]any{"iss": "https://issuer.example", "nonce": "n", "typ": "ID", "exp": past.Unix()}),
		"X-Forwarded-Preferred-Username": "ada.analyst",
		"X-Forwarded-Refresh-Token":      "a-refresh-token-that-should-not-be-here",
		"Access_Token":                   "another",
	}
}

// TestEveryStatePassesAxe looks at every page in every state as axe-core does, by
// day and by night, on a desk and on a phone, and wants no line to leave the window.
// T2G_TEST_PICTURES names a folder for pictures of what it saw.
func TestEveryStatePassesAxe(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(os.Getenv("T2G_TEST_AXE"))
	if err != nil {
		process.Missing(t, fmt.Sprintf("T2G_TEST_AXE names no axe-core: %v", err))
	}
	for _, s := range pageStates() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			instance := t2gtest.Start(t, t2gtest.Options{Server: func(o *gateway.Options) {
				asDemo(o)
				if s.web != nil {
					s.web(o)
				}
				if s.keys {
					t2gtest.WithKeys(t, t2gtest.Database(t))(o)
				}
			}, Demo: s.demo})
			b := openTab(t)
			b.expectComplaints(s.expects...)
			s.stage(t, b, instance)
			if !b.visible("[data-id=demo], .t2g-notice, .banner") {
				t.Error("nothing on the page says that it is a demo")
			}
			// A page without scripts has no timers, on which axe-core waits for nothing.
			eval[chromedp.Void](b, "window.setTimeout = (run) => void Promise.resolve().then(run);"+string(axe)+";undefined")
			for _, look := range looks() {
				b.setSize(look.width, 900)
				b.setScheme(look.scheme)
				if s.turned && look.scheme == "dark" {
					look.rules = "scrollable-region-focusable"
				}
				b.checkAccessibility(look)
				b.checkWidth()
				b.screenshot(fmt.Sprintf("%s %d %s", s.name, look.width, look.scheme))
			}
			b.setSize(320, 568)
			b.checkWidth()
			b.checkOrigins(eval[string](b, "location.origin"))
		})
	}
}

// look is a way to look at a page.
type look struct {
	width  int64
	scheme string
	rules  string // those of axe-core that are to be tried; empty for all
}

// looks are the two kinds of windows in the two schemes of colours. All rules are tried
// once; then those that the colours and the width can change.
func looks() []look {
	const colours, width = "color-contrast", "color-contrast scrollable-region-focusable target-size"
	return []look{{1280, "light", ""}, {1280, "dark", colours}, {390, "dark", width}, {390, "light", colours}}
}

// checkAccessibility fails the test for everything that axe-core finds in the page.
func (b *tab) checkAccessibility(l look) {
	b.t.Helper()
	const script = `(async (rules) => {
		const options = {preload: false, resultTypes: ["violations"]};
		if (rules) options.runOnly = rules.split(" ");
		const {violations} = await axe.run(document, options);
		return JSON.stringify(violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.failureSummary).join("; ")));
	})(%q)`
	var found []string
	b.must(json.Unmarshal([]byte(eval[string](b, fmt.Sprintf(script, l.rules))), &found))
	for _, one := range found {
		b.t.Errorf("%d wide, %s: %s", l.width, l.scheme, one)
	}
}

// checkWidth fails the test for a page that has to be scrolled sideways.
func (b *tab) checkWidth() {
	b.t.Helper()
	if got := eval[string](b, "document.documentElement.scrollWidth > innerWidth ? document.documentElement.scrollWidth + ' in ' + innerWidth : ''"); got != "" {
		b.t.Errorf("the page is wider than its window: %s", got)
	}
}

// screenshot keeps a picture of the whole page, where the person who tests wants them.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	folder := os.Getenv("T2G_TEST_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.Context, chromedp.FullScreenshot(100))
	b.must(err)
	b.must(os.WriteFile(filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".png"), png, 0o600))
}
