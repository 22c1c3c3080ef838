package doctor_test

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/doctor"
)

// shown is what the report shows of one header.
func shown(name, value string) string {
	r := request()
	r.Header = http.Header{http.CanonicalHeaderKey(name): {value}}
	return doctor.Examine(r, options()).Headers[http.CanonicalHeaderKey(name)][0]
}

func TestMaskReplacesCredentials(t *testing.T) {
	const (
		signed    = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
		encrypted = "eyJhbGciOiJkaXIifQ..aXZpdml2aXZpdg.Y2lwaGVy.dGFn"
		random    = "q3Xv9Lw2Zt7Rk1Yb4Nc8"
	)
	for _, test := range []struct{ name, header, value, want string }{
		{"a token header", "X-Forwarded-Access-Token", signed, "[JWT, 52 bytes]"},
		{"a short token", "Token", "abc", "[opaque text, 3 bytes]"},
		{"a token of one byte", "Token", "a", "[opaque text, 1 byte]"},
		{"a token with its scheme", "Token", "bearer " + signed, "Bearer [JWT, 52 bytes]"},
		{"two joined values", "Token", "spoof," + signed, "[opaque text, 5 bytes],[JWT, 52 bytes]"},
		{"many joined values", "Token", "a,b,c,d,e", "[opaque text, 9 bytes]"},
		{"an encrypted token", "Access-Token", encrypted, "[JWE, 48 bytes]"},
		{"Bearer", "Authorization", "Bearer " + signed, "Bearer [JWT, 52 bytes]"},
		{"Basic", "Authorization", "Basic YWRhOnB3", "Basic [credentials, 8 bytes]"},
		{"Negotiate", "Authorization", "negotiate YWRhOnB3", "Negotiate [credentials, 8 bytes]"},
		{"a word that is no known scheme is part of the secret", "Authorization", "hunter2 more", "[opaque text, 12 bytes]"},
		{"no scheme", "Authorization", "hunter2", "[opaque text, 7 bytes]"},
		{"a proxy's credentials", "Proxy-Authorization", "Basic YWRhOnB3", "Basic [credentials, 8 bytes]"},
		{"what a proxy saved", "X-Original-Authorization", "Bearer abc", "Bearer [opaque text, 3 bytes]"},
		{"cookies", "Cookie", "a=b; _oauth2_proxy=c=d; bare;;", "a=[1 byte]; _oauth2_proxy=[3 bytes]; [4 bytes]"},
		{"a token where a cookie's name belongs", "Cookie", signed + "=1", "[JWT, 52 bytes]=[1 byte]"},
		{"set-cookie", "Set-Cookie", "a=b; Path=/", "a=[1 byte]; Path=[1 byte]"},
		{"a refresh token", "OIDC_refresh_token", "abc", "[opaque text, 3 bytes]"},
		{"an ID token", "OIDC_id_token", signed, "[JWT, 52 bytes]"},
		{"an API key", "X-Api-Key", "hunter2", "[opaque text, 7 bytes]"},
		{"another key", "Ocp-Apim-Subscription-Key", "hunter2", "[opaque text, 7 bytes]"},
		{"a name with secret", "X-Shared-Secret", "hunter2", "[opaque text, 7 bytes]"},
		{"a name with bearer", "X-Bearer", "hunter2", "[opaque text, 7 bytes]"},
		{"a name with csrf", "X-Csrf", "hunter2", "[opaque text, 7 bytes]"},
		{"a name with refresh", "X-Refresh", "hunter2", "[opaque text, 7 bytes]"},
		{"claims about the person", "X-Apigateway-Api-Userinfo", "eyJzdWIiOiJhIn0", "[opaque text, 15 bytes]"},
		{"a name with session", "X-Session-Id", "hunter2", "[opaque text, 7 bytes]"},
		{"a name with password", "X_Password", "hunter2", "[opaque text, 7 bytes]"},
		{"a session ID that is a UUID", "OIDC_CLAIM_sid", "f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55", "[opaque text, 36 bytes]"},
		{"a client certificate", "X-SSL-Client-Cert", "-----BEGIN", "[client certificate, 10 bytes]"},
		{"a forwarded client certificate", "X-Forwarded-Client-Cert", "By=spiffe://a;Hash=b", "[client certificate, 20 bytes]"},
		{"an expiry that is none", "OIDC_access_token_expires", "hunter2", "[opaque text, 7 bytes]"},
		{"a JWT in any header", "X-Other", "see " + signed + ", thanks", "see [JWT, 52 bytes], thanks"},
		{"a JWT of little", "X-Other", "eyJhbGciOiJub25lIn0.e30.", "[JWT, 24 bytes]"},
		{"a JWT whose header begins with a space", "X-Other", "eyAiYWxnIjoibm9uZSJ9.e30.", "[JWT, 25 bytes]"},
		{"a JWT with something glued to it", "X-Other", "x=" + signed, "[opaque text, 54 bytes]"},
		{"random text in any header", "X-Other", random, "[opaque text, 20 bytes]"},
		{"random text within a value", "X-Other", "id:" + random + ";x", "id:[opaque text, 20 bytes];x"},
		{"standard base64", "X-Other", "q3X/9Lw2Zt+7Rk1Yb4Nc8==", "[opaque text, 23 bytes]"},
		{"hex", "X-Other", "0af7651916cd43dd8448eb211c80319c", "[opaque text, 32 bytes]"},
		{"small letters without end", "X-Other", strings.Repeat("abcdefgh", 4), "[opaque text, 32 bytes]"},
		{"a long name before it does not save it", "X-Other", strings.Repeat("word-", 50) + random, "[opaque text, 270 bytes]"},
		{"a UUID where no person or request is named", "X-Other", "f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55", "[opaque text, 36 bytes]"},
		{"random text as a user name", "X-Forwarded-User", random, "[opaque text, 20 bytes]"},
		{"Bearer within a value", "X-Other", "was  Bearer \t hunter2 there", "was  Bearer \t [opaque text, 7 bytes] there"},
		{"Basic within a value", "X-Other", "(basic hunter2", "(basic [opaque text, 7 bytes]"},
		{"a query in Referer", "Referer", "https://a.example/b?code=hunter2&x#y", "https://a.example/b?code=[7 bytes]&[1 byte]#[1 byte]"},
		{"a fragment", "Referer", "https://a.example/#access_token=hunter2", "https://a.example/#access_token=[7 bytes]"},
		{"a query in a path", "X-Forwarded-Uri", "/b?a=hunter2;c=d", "/b?a=[7 bytes];c=[1 byte]"},
		{"a query alone", "X-Original-Url", "?a=hunter2", "?a=[7 bytes]"},
		{"a query in any header", "X-Other", "at http://a.example/?a=b now", "at http://a.example/?a=[1 byte] now"},
		{"a user in a URL", "X-Auth-Request-Redirect", "https://ada:hunter2@a.example/", "https://[11 bytes]@a.example/"},
		{"a user whose password has an at sign", "X-Other", "https://ada:hun@ter2@a.example", "https://[12 bytes]@a.example"},
		{"random text in a path", "Referer", "https://a.example/hook/" + random + "/x", "https://a.example/hook/[opaque text, 20 bytes]/x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := shown(test.header, test.value); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMaskKeepsOrdinaryValues(t *testing.T) {
	for header, values := range map[string][]string{
		"User-Agent": {
			"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
			"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
			"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
			"python-requests/2.32.3", "curl/8.5.0", "Go-http-client/1.1", "kube-probe/1.29+", "Microsoft-CryptoAPI/10.0",
			"Amazon-Route53-Health-Check-Service (ref 1)", "token2go-python-client/2.0",
		},
		"Accept":                            {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"},
		"Accept-Language":                   {"de-DE,de;q=0.9,en-US;q=0.8"},
		"Accept-Encoding":                   {"gzip, deflate, br, zstd"},
		"Cache-Control":                     {"max-age=0"},
		"Sec-Ch-Ua":                         {`"Chromium";v="156", "Not(A:Brand";v="24", "Google Chrome";v="156"`},
		"Sec-Ch-Ua-Full-Version-List":       {`"Chromium";v="156.0.8078.79"`},
		"Sec-Ch-Ua-Mobile":                  {"?0"},
		"Sec-Fetch-User":                    {"?1"},
		"Sec-Fetch-Site":                    {"same-origin"},
		"If-Modified-Since":                 {"Sat, 21 Nov 2026 10:00:00 GMT"},
		"X-Forwarded-For":                   {"192.0.2.7, 10.0.0.1", "2001:db8:85a3::8a2e:370:7334"},
		"X-Forwarded-Host":                  {"token.example.org:8443"},
		"X-Forwarded-Server":                {"edge-2.eu-central-1.example.org"},
		"X-Forwarded-Proto":                 {"https"},
		"X-Forwarded-Prefix":                {"/team-1/token2go"},
		"Forwarded":                         {"for=192.0.2.60;proto=https;by=203.0.113.43"},
		"Via":                               {"1.1 Caddy"},
		"X-Forwarded-User":                  {"f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55", "ada"},
		"X-Forwarded-Email":                 {"ada.lovelace+news2026@example.org"},
		"X-Forwarded-Groups":                {"/staff/engineering,role:token2go-users"},
		"X-Auth-Request-User":               {"ada"},
		"X-Auth-Request-Email":              {"ada@example.org"},
		"X-Auth-Request-Preferred-Username": {"ada.lovelace"},
		"X-Auth-Request-Groups":             {"staff,admins"},
		"X-Request-Id":                      {"f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55"},
		"Oidc_claim_sub":                    {"f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55"},
		"Oidc_claim_email":                  {"ada@example.org"},
		"Oidc_access_token_expires":         {"1795262700"},
		"Referer":                           {"https://token.example.org/", "https://a.example/projects/2026/token2go-server/pages"},
		"Origin":                            {"https://token.example.org", "null"},
		"Content-Type":                      {"application/x-www-form-urlencoded"},
		"X-Ssl-Client-Verify":               {"SUCCESS"},
		"Priority":                          {"u=0, i"},
	} {
		for _, value := range values {
			if got := shown(header, value); got != value {
				t.Errorf("%s: got %q, want %q", header, got, value)
			}
		}
	}
}

func TestMaskKeepsUUIDInIdentityHeader(t *testing.T) {
	o := options()
	o.Identity = []string{"Remote_User"}
	r := request("Remote-User: f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55")
	if got := doctor.Examine(r, o).Headers["Remote-User"][0]; got != "f3b1c9e2-9d54-4a07-8a61-0b8f1b6f1c55" {
		t.Errorf("got %q, want it whole", got)
	}
}

func TestMaskHidesParameters(t *testing.T) {
	r := request()
	r.URL.RawQuery = "pretty&a=b&token=hunter2&accessToken=hunter2&x=q3Xv9Lw2Zt7Rk1Yb4Nc8&eyJhbGciOiJub25lIn0.e30.c2ln&to=https%3A%2F%2Fa.example%2F%3Fp%3Dq"
	got := doctor.Examine(r, options()).Parameters
	want := map[string][]string{
		"pretty": {""}, "a": {"b"}, "token": {"[opaque text, 7 bytes]"}, "accessToken": {"[opaque text, 7 bytes]"},
		"x": {"[opaque text, 20 bytes]"}, "[JWT, 28 bytes]": {""}, "to": {"https://a.example/?p=[1 byte]"},
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReportHoldsHost(t *testing.T) {
	if got := examine().Headers["Host"]; !slices.Equal(got, []string{"token.example.org"}) {
		t.Errorf("got %q, want the host", got)
	}
}

// marked makes a secret from a seed, in one of the shapes that secrets have. The short
// one is for places that hide any text.
func marked(seed string, shape uint8) (long, short string) {
	sum := sha512.Sum512([]byte(seed))
	texts := []string{
		hex.EncodeToString(sum[:]),
		base64.RawURLEncoding.EncodeToString(sum[:]),
		base64.StdEncoding.EncodeToString(sum[:]),
		"eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString(sum[:]) + "." + hex.EncodeToString(sum[:8]),
	}
	return texts[int(shape)%len(texts)], hex.EncodeToString(sum[:5])
}

// survives returns a piece of 8 bytes of the secret that text contains, or "".
func survives(text, secret string) string {
	for i := 0; i+8 <= len(secret); i++ {
		if piece := secret[i : i+8]; strings.Contains(text, piece) && !strings.Contains("eyJhbGciOiJub25lIn0.", piece) {
			return piece
		}
	}
	return ""
}

// FuzzExamine puts secrets wherever one may occur, with any text around them, and
// searches the whole report, its verdicts among it, and the explanation of a missing
// token. Only the fingerprint may be there.
func FuzzExamine(f *testing.F) {
	for shape := range uint8(4) {
		f.Add("seed", shape, "", "")
		f.Add("seed", shape, "Bearer ", ",spoof")
		f.Add("seed", shape, "https://user:", "@host/path?q=1#f")
		f.Add("seed", shape, strings.Repeat("word-", 9), "=;\"?&")
	}
	f.Fuzz(func(t *testing.T, seed string, shape uint8, before, after string) {
		long, short := marked(seed, shape)
		if survives(before+after, long) != "" || survives(before+after, short) != "" {
			t.Skip("the text around it holds the secret, too")
		}
		plain := long
		if strings.Contains(plain, "/") { // in a URL it is percent-encoded or the query's
			plain = url.QueryEscape(plain)
		}
		r := request()
		r.Header = http.Header{}
		for _, name := range append([]string{"Proxy-Authorization", "X-Api-Key", "X-Other-Secret", "X-Ssl-Client-Cert", "Oidc_refresh_token", "Oidc_id_token"}, names...) {
			r.Header.Add(name, before+short+after)
			r.Header.Add(name, before+long+after)
			r.Header.Add(name, "Basic "+short)
		}
		for _, name := range []string{"X-Other", "User-Agent", "X-Forwarded-User", "X-Request-Id", "Accept"} {
			r.Header.Add(name, long)
			r.Header.Add(name, before+" "+long+" "+after)
			r.Header.Add(name, "https://host/path?a="+short)
		}
		for _, name := range []string{"Referer", "X-Forwarded-Uri", "X-Auth-Request-Redirect", "X-Forwarded-Prefix"} {
			r.Header.Add(name, "https://ada:"+short+"@host/?a="+short+"&"+short+"#"+short)
			r.Header.Add(name, "/path/"+plain+"/more")
		}
		r.Header.Set("Cookie", "_oauth2_proxy="+short+"; mod_auth_openidc_session="+long+"; "+short+"; a=b="+short)
		r.URL.RawQuery = url.Values{"a": {long, before + " " + long}, "token": {short}, long: {"x"}}.Encode()

		encoded, err := json.Marshal(doctor.Examine(r, options()))
		if err != nil {
			t.Fatal(err)
		}
		detail, fix, _, arrived := doctor.Missing(r.Header, options().Tokens)
		text := string(encoded) + detail + fix + strings.Join(arrived, " ")
		for _, secret := range []string{long, plain, short} {
			if piece := survives(text, secret); piece != "" {
				t.Fatalf("%q of the secret is shown in %s", piece, text)
			}
		}
	})
}
