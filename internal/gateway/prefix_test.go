package gateway_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/gateway"
	"github.com/token2go/token2go/internal/t2gtest"
)

// publicly makes an address the one that people open.
func publicly(t *testing.T, address string) func(*gateway.Options) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *gateway.Options) { o.PublicURL = parsed }
}

func below(path string) func(*gateway.Options) { return func(o *gateway.Options) { o.BasePath = path } }

// ownAddresses are all addresses of ours in a page: of links, forms, files, and those
// that its scripts are given.
func (p page) ownAddresses() []string {
	var list []string
	for _, one := range p {
		for name, value := range one.attributes {
			switch name {
			case "href", "src", "action", "data-token", "data-sign-in":
				if value != "" && !strings.HasPrefix(value, "#") && !strings.HasPrefix(value, "http") {
					list = append(list, value)
				}
			}
		}
	}
	return list
}

// site is a server as a browser reaches it: under a prefix, through a gateway that
// leaves the prefix on or takes it off.
type site struct {
	server *t2gtest.Server
	prefix string
	strips bool
	lines  []string // that the gateway adds
}

// get asks for an address as a browser sees it.
func (s site) get(t *testing.T, path string, lines ...string) (reply, string) {
	t.Helper()
	if s.strips {
		path = strings.TrimPrefix(path, s.prefix)
	}
	return get(t, s.server.Client(), s.server.Direct+path, append(lines, s.lines...)...)
}

func TestPrefixPrecedesEveryAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		changes []func(*gateway.Options)
		site    site
	}{
		{"none", nil, site{}},
		{"the public URL's path", []func(*gateway.Options){publicly(t, "https://t2g.example.org/a/t2g")}, site{prefix: "/a/t2g"}},
		{"the public URL's path with a slash", []func(*gateway.Options){publicly(t, "https://t2g.example.org/t2g/")}, site{prefix: "/t2g"}},
		{"the public URL's path, stripped", []func(*gateway.Options){publicly(t, "https://t2g.example.org/t2g")}, site{prefix: "/t2g", strips: true}},
		{"the public URL without a path", []func(*gateway.Options){publicly(t, "https://t2g.example.org/"), below("/t2g")}, site{prefix: "/t2g"}},
		{"the base path", []func(*gateway.Options){below("/a/t2g")}, site{prefix: "/a/t2g"}},
		{"the gateway's header", nil, site{prefix: "/a/t2g", strips: true, lines: []string{"X-Forwarded-Prefix", "/a/t2g"}}},
		{"the gateway's header with a slash", nil, site{prefix: "/t2g", strips: true, lines: []string{"X-Forwarded-Prefix", "/t2g/"}}},
		{"the operator's prefix precedes the header's", []func(*gateway.Options){below("/t2g")}, site{prefix: "/t2g", lines: []string{"X-Forwarded-Prefix", "/other"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := test.site
			s.server = open(t, append([]func(*gateway.Options){askAlways}, test.changes...)...)
			k := jweClient(t)
			for path, status := range map[string]int{
				"/": 200, "/index.html": 200, "/echo": 200, "/nothing": 404, "/a/deep/down/nothing": 404, "/static/a/b/nothing/": 404,
				k.path(): 200, k.path("target=", "responseMode=page"): 200, flowPath: 400, k.path("target=http://evil.example/"): 403,
			} {
				answer, body := s.get(t, s.prefix+path, with(ofAda, "Accept", "text/html")...)
				if answer.status != status {
					t.Fatalf("%s: got %d, want %d", path, answer.status, status)
				}
				checkAddresses(t, s, path, pageIn(t, body))
			}
			checkForm(t, s)
			checkDocuments(t, s)
		})
	}
}

// checkAddresses wants every address of a page below the prefix, and every file that it
// loads to be there.
func checkAddresses(t *testing.T, s site, path string, shown page) {
	t.Helper()
	for _, address := range shown.ownAddresses() {
		if !strings.HasPrefix(address, s.prefix+"/") || strings.HasPrefix(address, "//") || strings.HasPrefix(address, s.prefix+s.prefix+"/") && s.prefix != "" {
			t.Errorf("%s: leads to %q, want an address below %q", path, address, s.prefix)
		}
	}
	styles := 0
	for _, address := range shown.loaded() {
		answer, _ := s.get(t, address)
		if answer.status != http.StatusOK || !strings.Contains(answer.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: loads %s and gets %d", path, address, answer.status)
		}
		if strings.HasPrefix(answer.header.Get("Content-Type"), "text/css") {
			styles++
		}
	}
	if styles == 0 {
		t.Errorf("%s: the page has no styles", path)
	}
}

// checkForm walks through a question to the page that posts the answer.
func checkForm(t *testing.T, s site) {
	t.Helper()
	k := jweClient(t)
	_, question := s.get(t, s.prefix+k.path("responseMode=form_post"), with(ofAda, byProgram()...)...)
	action, fields := pageIn(t, question).form(t)
	if !strings.HasPrefix(action, s.prefix+flowPath+"?") {
		t.Errorf("the form leads to %q, want below %q", action, s.prefix)
	}
	if s.strips {
		action = strings.TrimPrefix(action, s.prefix)
	}
	fields.Set("decision", "allow")
	answer, body := send(t, s.server.Client(), http.MethodPost, s.server.Direct+action, fields.Encode(), append(append(with(ofAda, fromOurPage()...),
		"Content-Type", "application/x-www-form-urlencoded"), s.lines...)...)
	k.opens(t, posted(t, answer, body, loopback, "http://127.0.0.1:41234"))
	checkAddresses(t, s, "the page that posts", withoutForms(pageIn(t, body)))
}

// withoutForms leaves out a form that leads to a program.
func withoutForms(p page) page {
	var rest page
	for _, one := range p {
		if one.tag != "form" {
			rest = append(rest, one)
		}
	}
	return rest
}

// checkDocuments wants the API document and its pages to be found below the prefix.
func checkDocuments(t *testing.T, s site) {
	t.Helper()
	for _, path := range []string{"/docs", "/swagger-ui"} {
		answer, _ := s.get(t, s.prefix+path)
		from, err := url.Parse("https://t2g.example.org" + s.prefix + path)
		if err != nil {
			t.Fatal(err)
		}
		to, err := from.Parse(answer.header.Get("Location"))
		if err != nil || answer.status != http.StatusSeeOther || to.Path != s.prefix+"/swagger-ui/" || to.Host != from.Host {
			t.Errorf("%s: got %d to %v (%v), want the documentation below the prefix", path, answer.status, to, err)
		}
	}
	_, body := s.get(t, s.prefix+"/swagger-ui/")
	root, err := url.Parse("https://t2g.example.org" + s.prefix + "/swagger-ui/")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range pageIn(t, body).loaded() {
		to, err := root.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if answer, _ := s.get(t, to.Path); answer.status != http.StatusOK || !strings.HasPrefix(to.Path, s.prefix+"/") {
			t.Errorf("the documentation loads %s and gets %d", to, answer.status)
		}
	}
	_, document := s.get(t, s.prefix+"/openapi.json")
	servers := read[struct{ Servers []struct{ URL string } }](t, document).Servers
	if len(servers) != 1 || servers[0].URL != "./" {
		t.Errorf("got the servers %v, want the folder of the document", servers)
	}
}

// TestStripAcceptsPathsWithAndWithoutPrefix: one server answers both, and its front page with and
// without a slash.
func TestStripAcceptsPathsWithAndWithoutPrefix(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*gateway.Options){"public URL": publicly(t, "https://t2g.example.org/t2g/"), "base path": below("/t2g")} {
		server := open(t, change)
		for path, status := range map[string]int{
			"/t2g": 200, "/t2g/": 200, "/t2g/token": 200, "/token": 200, "/": 200, "/t2g/index.html": 200, "/t2g?a=1": 200,
			"/t2gx/token": 404, "/t2g/t2g/token": 404, "/t2g//token": 404, "/t2g%2Ftoken": 404, "/T2G/token": 404, "/t2g/../token": 404, "/x/t2g/token": 404,
			"/%742g/token": 404, "/t2g/%74oken": 404, "/t2g/token/": 404,
		} {
			answer, body := get(t, server.Client(), server.Direct+path, with(ofAda)...)
			if answer.status != status {
				t.Errorf("%s: %s: got %d, want %d: %.80s", name, path, answer.status, status, body)
			}
		}
		answer, body := send(t, server.Client(), http.MethodDelete, server.Direct+"/t2g/token", "", with(ofAda)...)
		refused(t, answer, body, http.StatusMethodNotAllowed, "method_not_allowed")
		if got := answer.header.Get("Allow"); got != "GET, HEAD" {
			t.Errorf("%s: got the methods %q below the prefix, want GET, HEAD", name, got)
		}
	}
}

// TestStripAcceptsAnotherPublicPath: people open the one, and the server
// sees the other.
func TestStripAcceptsAnotherPublicPath(t *testing.T) {
	t.Parallel()
	server := open(t, publicly(t, "https://t2g.example.org/tools/t2g"), below("/t2g"))
	answer, body := get(t, server.Client(), server.Direct+"/t2g/", with(ofAda)...)
	if answer.status != http.StatusOK {
		t.Fatalf("got %d, want the page: %s", answer.status, body)
	}
	for _, address := range pageIn(t, body).ownAddresses() {
		if !strings.HasPrefix(address, "/tools/t2g/") {
			t.Errorf("leads to %s, want an address that people can open", address)
		}
	}
	if answer, _ := get(t, server.Client(), server.Direct+"/t2g/token", with(ofAda)...); answer.status != http.StatusOK {
		t.Errorf("got %d, want the token", answer.status)
	}
}

var strangePrefix = regexp.MustCompile(`evil|\.\.|javascript|"/other`)

// TestPrefixIgnoresMalformedHeader: the caller can forge it.
func TestPrefixIgnoresMalformedHeader(t *testing.T) {
	t.Parallel()
	server := open(t)
	for _, lines := range [][]string{
		{"X-Forwarded-Prefix", ""}, {"X-Forwarded-Prefix", "/"}, {"X-Forwarded-Prefix", "//"}, {"X-Forwarded-Prefix", "//evil.example"}, {"X-Forwarded-Prefix", "/evil//example"},
		{"X-Forwarded-Prefix", "evil"}, {"X-Forwarded-Prefix", "https://evil.example"}, {"X-Forwarded-Prefix", "/evil/.."}, {"X-Forwarded-Prefix", "/./evil"},
		{"X-Forwarded-Prefix", `/evil"onload="x`}, {"X-Forwarded-Prefix", "/evil<b>"}, {"X-Forwarded-Prefix", "/evil?a"}, {"X-Forwarded-Prefix", "/evil#a"}, {"X-Forwarded-Prefix", `/\evil.example`},
		{"X-Forwarded-Prefix", "/evil%2f"}, {"X-Forwarded-Prefix", "/evil b"}, {"X-Forwarded-Prefix", "/evil,/evil"}, {"X-Forwarded-Prefix", "/evilä"}, {"X-Forwarded-Prefix", "javascript:alert(1)"},
		{"X-Forwarded-Prefix", "/" + strings.Repeat("evil", 64)}, {"X-Forwarded-Prefix", "/evil", "X-Forwarded-Prefix", "/evil"},
	} {
		for _, path := range []string{"/", "/nothing", jweClient(t).path("target=", "responseMode=page"), "/docs", "/swagger-ui/"} {
			answer, body := get(t, server.Client(), server.Direct+path, with(ofAda, append(lines, "Accept", "text/html")...)...)
			if location := answer.header.Get("Location"); strangePrefix.MatchString(location) {
				t.Errorf("%q: %s redirects to %s", lines, path, location)
			}
			if answer.status == http.StatusSeeOther {
				continue
			}
			for _, address := range pageIn(t, body).ownAddresses() {
				if strangePrefix.MatchString(address) && path != "/swagger-ui/" || strings.HasPrefix(address, "//") {
					t.Errorf("%q: %s leads to %q, want no prefix", lines, path, address)
				}
			}
		}
	}
}
