package token2go_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/clients/go/token2go"
	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

// The shared cases. openapi/vectors/README.md says what each member means.
type clientCases struct {
	Token string       `json:"token"`
	Cases []clientCase `json:"cases"`
}

type clientCase struct {
	Name   string          `json:"name"`
	Format token2go.Format `json:"format"`
	Steps  []clientStep    `json:"steps"`
}

type clientStep struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Query    [][2]string       `json:"query"`
	RawQuery string            `json:"rawQuery"`
	Form     [][2]string       `json:"form"`
	Body     string            `json:"body"`
	Headers  map[string]string `json:"headers"`
	Chunked  bool              `json:"chunked"`
	Raw      *string           `json:"raw"`
	Seal     *sealing          `json:"seal"`
	Big      int               `json:"big"`
	Paste    *string           `json:"paste"`
	Wrap     int               `json:"wrap"`
	Status   string            `json:"status"`
	Warns    []string          `json:"warns"`
	Ends     *ending           `json:"ends"`
}

type sealing struct {
	Format  token2go.Format `json:"format"`
	Key     string          `json:"key"`
	State   string          `json:"state"`
	IAT     int             `json:"iat"`
	Header  map[string]any  `json:"header"`
	Alg     string          `json:"alg"`
	Enc     string          `json:"enc"`
	Members map[string]any  `json:"members"`
	Text    *string         `json:"text"`
	Alter   bool            `json:"alter"`
}

type ending struct {
	Token     string          `json:"token"`
	Type      *string         `json:"type"`
	Header    *string         `json:"header"`
	Issuer    *string         `json:"issuer"`
	ExpiresIn json.RawMessage `json:"expiresIn"`
	Error     string          `json:"error"`
	Detail    string          `json:"detail"`
}

// readVectors reads a file of openapi/vectors, and refuses a member that it does not know.
func readVectors(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../../../openapi/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestGetSharedCases(t *testing.T) {
	var shared clientCases
	readVectors(t, "clients.json", &shared)
	if len(shared.Cases) < 100 {
		t.Fatalf("got %d cases", len(shared.Cases))
	}
	for _, test := range shared.Cases {
		t.Run(test.Name, func(t *testing.T) {
			v := begin(t, token2go.Options{Format: test.Format}, shared.Token)
			ended := false
			for _, step := range test.Steps {
				v.do(t, step)
				ended = ended || step.Ends != nil
			}
			if !ended {
				v.do(t, v.good())
			}
		})
	}
}

// waiting is a call that waits, seen from outside: all that is known of it is what it
// shows the person.
type waiting struct {
	token    string
	format   token2go.Format
	prompt   token2go.Prompt
	values   map[string]string // of the placeholders
	public   crypto.PublicKey
	pastes   chan string
	warnings chan error
	result   chan result
}

type result struct {
	token token2go.Token
	err   error
}

// begin starts a call and returns once it waits.
func begin(t testing.TB, o token2go.Options, token string) *waiting {
	t.Helper()
	v := &waiting{
		token: token, format: o.Format, pastes: make(chan string, 1000), warnings: make(chan error, 100), result: make(chan result, 1),
	}
	shown := make(chan token2go.Prompt, 1)
	o.Server = "https://t2g.example.org"
	o.Show = func(p token2go.Prompt) { shown <- p }
	o.Warn = func(err error) { v.warnings <- err }
	o.Paste = func(ctx context.Context) (string, error) {
		select {
		case text := <-v.pastes:
			return text, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		got, err := token2go.Get(ctx, o)
		v.result <- result{got, err}
		close(v.result)
	}()
	t.Cleanup(func() {
		cancel()
		for range v.result { // the call is over
		}
	})
	select {
	case v.prompt = <-shown:
	case early := <-v.result:
		t.Fatalf("got %v, want a call that waits", early.err)
	}
	v.read(t)
	return v
}

// read takes the placeholders' values from what was shown.
func (v *waiting) read(t testing.TB) {
	t.Helper()
	flow, err := url.Parse(v.prompt.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := flow.Query()
	key, err := seal.ParseKey(seal.KeyType(query.Get("publicKeyType")), query.Get("publicKey"))
	if err != nil {
		t.Fatal(err)
	}
	if v.format == token2go.Triple {
		block, _ := pem.Decode([]byte(query.Get("publicKey")))
		v.public, err = x509.ParsePKIXPublicKey(block.Bytes)
	} else {
		var jwk jose.JSONWebKey
		text, wrong := base64.RawURLEncoding.DecodeString(query.Get("publicKey"))
		err = errors.Join(wrong, json.Unmarshal(text, &jwk))
		v.public = jwk.Key
	}
	if err != nil {
		t.Fatal(err)
	}
	port, path := query.Get("port"), query.Get("path")
	if target, err := url.Parse(query.Get("target")); err == nil && query.Has("target") {
		port, path = target.Port(), target.Path
	}
	short, err := url.Parse(v.prompt.ShortURL)
	if err != nil || short.Host != "127.0.0.1:"+port {
		t.Fatalf("got the short address %s for port %s", v.prompt.ShortURL, port)
	}
	state := query.Get("state")
	v.values = map[string]string{
		"path": path, "pathEscaped": fmt.Sprintf("%s%%%02X", path[:len(path)-1], path[len(path)-1]), "short": short.Path, "port": port, "state": state, "halfState": state[:len(state)/2],
		"otherState": base64.RawURLEncoding.EncodeToString(make([]byte, 32)), "token": v.token, "kid": key.ID(),
	}
}

// good is the step of a server that hands over the token.
func (v *waiting) good() clientStep {
	step := clientStep{Seal: &sealing{}, Status: "303", Ends: &ending{Token: "{token}"}}
	step.Query = [][2]string{{"response", "{sealed}"}, {"state", "{state}"}}
	if v.format == token2go.Triple {
		step.Query = [][2]string{{"key", "{key}"}, {"nonce", "{nonce}"}, {"payload", "{payload}"}, {"state", "{state}"}}
	}
	return step
}

func (v *waiting) fill(text string) string {
	pairs := make([]string, 0, 2*len(v.values))
	for name, value := range v.values {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (v *waiting) do(t *testing.T, step clientStep) {
	t.Helper()
	v.values["big"] = strings.Repeat("x", step.Big)
	if step.Seal != nil {
		v.seal(t, *step.Seal)
	}
	if step.Paste != nil {
		v.paste(v.fill(*step.Paste), step.Wrap)
	} else {
		v.check(t, step, v.send(t, step))
	}
	for _, want := range step.Warns {
		select {
		case warning := <-v.warnings:
			if got := warningName(warning); got != want {
				t.Errorf("got the warning %q, want %s", warning, want)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("got no warning, want %s", want)
		}
	}
	if step.Ends != nil {
		v.end(t, *step.Ends)
	}
	select {
	case warning := <-v.warnings:
		t.Errorf("got the warning %q, want none", warning)
	default:
	}
}

// warningName is what the vectors call a warning.
func warningName(warning error) string {
	var clock *token2go.ClockError
	switch {
	case errors.As(warning, &clock):
		return "clock"
	case errors.Is(warning, token2go.ErrAnswer):
		return "answer"
	case errors.Is(warning, token2go.ErrVisitedTwice):
		return "visit"
	}
	return ""
}

func (v *waiting) paste(text string, wrap int) {
	if wrap == 0 {
		v.pastes <- text
		return
	}
	for line := range slices.Chunk([]byte(text), wrap) {
		v.pastes <- string(line) + "\n"
	}
}

// answered is what came back; nil is nothing.
type answered struct {
	status int
	header http.Header
	body   string
}

// send writes the request byte by byte: a client library would correct what is wrong with it.
func (v *waiting) send(t *testing.T, step clientStep) *answered {
	t.Helper()
	conn, err := net.Dial("tcp4", "127.0.0.1:"+v.values["port"])
	if err != nil {
		return nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		_, _ = conn.Write(v.request(step))
		if step.Raw != nil {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	method := step.Method
	if step.Raw != nil {
		method = http.MethodGet
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(response.Body)
	return &answered{response.StatusCode, response.Header, string(body)}
}

func (v *waiting) request(step clientStep) []byte {
	if step.Raw != nil {
		var raw []byte
		for _, r := range v.fill(*step.Raw) {
			raw = append(raw, byte(r))
		}
		return raw
	}
	headers := map[string]string{"Host": "127.0.0.1:{port}"}
	body := v.fill(step.Body)
	if step.Form != nil {
		headers["Content-Type"] = "application/x-www-form-urlencoded"
		body = v.encode(step.Form)
	}
	if body != "" || step.Form != nil {
		headers["Content-Length"] = strconv.Itoa(len(body))
	}
	if step.Chunked {
		delete(headers, "Content-Length")
		headers["Transfer-Encoding"] = "chunked"
		var chunks strings.Builder
		for chunk := range slices.Chunk([]byte(body), 16) {
			fmt.Fprintf(&chunks, "%x\r\n%s\r\n", len(chunk), chunk)
		}
		body = chunks.String() + "0\r\n\r\n"
	}
	maps.Copy(headers, step.Headers)
	var text bytes.Buffer
	method, path, query := step.Method, step.Path, v.fill(step.RawQuery)
	if method == "" {
		method = http.MethodGet
	}
	if path == "" {
		path = "{path}"
	}
	if step.Query != nil {
		query = v.encode(step.Query)
	}
	if query != "" {
		query = "?" + query
	}
	fmt.Fprintf(&text, "%s %s%s HTTP/1.1\r\n", method, v.fill(path), query)
	for name, value := range headers {
		fmt.Fprintf(&text, "%s: %s\r\n", name, v.fill(value))
	}
	text.WriteString("\r\n" + body)
	return text.Bytes()
}

func (v *waiting) encode(fields [][2]string) string {
	pairs := make([]string, 0, len(fields))
	for _, field := range fields {
		pairs = append(pairs, url.QueryEscape(field[0])+"="+url.QueryEscape(v.fill(field[1])))
	}
	return strings.Join(pairs, "&")
}

func (v *waiting) check(t *testing.T, step clientStep, got *answered) {
	t.Helper()
	switch step.Status {
	case "any":
	case "refused":
		if got != nil {
			v.checkRefusal(t, got)
		}
	case "4xx":
		if got == nil {
			t.Error("got no answer, want 4xx")
		} else {
			v.checkRefusal(t, got)
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("the refusal may be kept")
			}
		}
	case "again":
		if got != nil {
			v.checkPage(t, got)
		}
	case "303":
		v.checkPage(t, got)
	case "flow":
		if got == nil || got.status != http.StatusSeeOther || got.header.Get("Location") != v.prompt.URL {
			t.Errorf("got %+v, want a redirect to the flow", got)
		}
	default:
		t.Fatalf("no such status: %q", step.Status)
	}
}

func (v *waiting) checkRefusal(t *testing.T, got *answered) {
	t.Helper()
	if got.status < 400 || got.status > 499 || got.header.Get("Location") != "" || strings.Contains(got.body, v.values["state"]) {
		t.Errorf("got %+v, want a refusal that says nothing", got)
	}
	for name := range got.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("got the header %s", name)
		}
	}
}

// checkPage follows the redirect once.
func (v *waiting) checkPage(t *testing.T, got *answered) {
	t.Helper()
	if got == nil || got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), "/") ||
		strings.ContainsAny(got.header.Get("Location"), "?#") {
		t.Fatalf("got %+v, want a redirect to a clean page", got)
	}
	page := v.send(t, clientStep{Path: got.header.Get("Location")})
	if page == nil || page.status != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") ||
		!strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") || page.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %+v, want a page", page)
	}
	for _, word := range v.prompt.Words {
		if !strings.Contains(page.body, ">"+word+"<") {
			t.Errorf("the page lacks the word %s", word)
		}
	}
	for _, name := range []string{"token", "state"} {
		if strings.Contains(page.body, v.values[name]) {
			t.Errorf("the page holds the %s", name)
		}
	}
	if !strings.HasSuffix(page.body, "</html>\n") {
		t.Error("the page is cut short")
	}
}

func (v *waiting) end(t *testing.T, want ending) {
	t.Helper()
	var got result
	select {
	case got = <-v.result:
	case <-time.After(10 * time.Second):
		t.Fatal("the wait goes on, want its end")
	}
	if want.Error != "" {
		checkError(t, got.err, want.Error, want.Detail)
		return
	}
	if got.err != nil || got.token.Reveal() != v.fill(want.Token) || got.token.Words != v.prompt.Words {
		t.Fatalf("got %v and another token or other words", got.err)
	}
	for _, member := range []struct {
		got  string
		want *string
	}{{got.token.TokenType, want.Type}, {got.token.Header, want.Header}, {got.token.Issuer, want.Issuer}} {
		if member.want != nil && member.got != *member.want {
			t.Errorf("got %q, want %q", member.got, *member.want)
		}
	}
	checkExpiry(t, got.token.Expiry, string(want.ExpiresIn))
}

func checkExpiry(t *testing.T, got time.Time, want string) {
	t.Helper()
	if want == "" {
		return
	}
	seconds, err := strconv.Atoi(want)
	if err != nil { // null
		if !got.IsZero() {
			t.Errorf("got the expiry %v, want none", got)
		}
		return
	}
	if off := time.Until(got) - time.Duration(seconds)*time.Second; off.Abs() > 5*time.Second {
		t.Errorf("got an expiry that is %s off", off)
	}
}

func kindOf(name string) error {
	return map[string]error{
		"denied": token2go.ErrDenied, "no_token": token2go.ErrNoToken, "expiring": token2go.ErrExpiring,
		"refused": token2go.ErrRefused, "server_error": token2go.ErrServer, "timed_out": token2go.ErrTimedOut,
	}[name]
}

func checkError(t *testing.T, got error, kind, detail string) {
	t.Helper()
	var typed *token2go.Error
	if !errors.Is(got, kindOf(kind)) || !errors.As(got, &typed) || !strings.Contains(got.Error(), detail) {
		t.Errorf("got %v, want %s and %q in it", got, kind, detail)
	}
}

// seal makes an envelope as a server would, and as one would that is hostile.
func (v *waiting) seal(t *testing.T, s sealing) {
	t.Helper()
	now := time.Now().Add(time.Duration(s.IAT) * time.Second)
	members := map[string]any{
		"timestamp": now.UTC().Format(time.RFC3339), "fingerprint": token2go.NewToken(v.token).Fingerprint, "secret": v.token,
		"expires": now.Add(time.Hour).UTC().Format(time.RFC3339), "header": "X-Forwarded-Access-Token", "tokenType": "Bearer",
	}
	replace(members, v.filled(s.Members))
	encoded, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	plaintext := string(encoded)
	if s.Text != nil {
		plaintext = v.fill(*s.Text)
	}
	format := s.Format
	if format == "" {
		format = v.format
	}
	if format == token2go.Triple {
		v.sealTriple(t, s, plaintext)
	} else {
		v.sealJWE(t, s, plaintext, now)
	}
	for _, name := range []string{"key", "nonce", "payload"} {
		v.values[name+"Escaped"] = url.QueryEscape(v.values[name])
	}
}

func (v *waiting) filled(members map[string]any) map[string]any {
	filled := map[string]any{}
	for name, value := range members {
		if text, is := value.(string); is {
			value = v.fill(text)
		}
		filled[name] = value
	}
	return filled
}

// replace puts members into others; nil takes one away.
func replace(members, others map[string]any) {
	for name, value := range others {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
}

func (v *waiting) sealTriple(t *testing.T, s sealing, plaintext string) {
	t.Helper()
	public, fits := v.public.(*rsa.PublicKey)
	if !fits || s.Key == "other" {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		public = &private.PublicKey
	}
	key, err := seal.NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	triple, err := seal.SealTriple(key, secret.New(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	if s.Alter {
		payload, _ := base64.StdEncoding.DecodeString(triple.Payload)
		payload[len(payload)-1] ^= 1
		triple.Payload = base64.StdEncoding.EncodeToString(payload)
	}
	v.values["key"], v.values["nonce"], v.values["payload"] = triple.Key, triple.Nonce, triple.Payload
}

func (v *waiting) sealJWE(t *testing.T, s sealing, plaintext string, now time.Time) {
	t.Helper()
	public, fits := v.public.(*ecdsa.PublicKey)
	kid := v.values["kid"]
	if !fits || s.Key == "other" {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, err := seal.NewKey(&private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		public, kid = &private.PublicKey, key.ID()
	}
	state := v.values["state"]
	if s.State == "other" {
		state = v.values["otherState"]
	}
	hash := sha256.Sum256([]byte(state))
	header := map[string]any{
		"typ": "token2go+jwe", "iss": "https://t2g.example", "iat": now.Unix(), "exp": now.Unix() + 300,
		"state_hash": base64.RawURLEncoding.EncodeToString(hash[:]), "kid": kid,
	}
	replace(header, v.filled(s.Header))
	v.values["sealed"] = encrypt(t, public, header, plaintext, s)
}

func encrypt(t *testing.T, public *ecdsa.PublicKey, header map[string]any, plaintext string, s sealing) string {
	t.Helper()
	alg, enc := jose.ECDH_ES, jose.A256GCM
	if s.Alg != "" {
		alg = jose.KeyAlgorithm(s.Alg)
	}
	if s.Enc != "" {
		enc = jose.ContentEncryption(s.Enc)
	}
	options := new(jose.EncrypterOptions)
	for name, value := range header {
		if number, is := value.(float64); is {
			value = int64(number) // which is written without an exponent
		}
		options.WithHeader(jose.HeaderKey(name), value)
	}
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: public}, options)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypter.Encrypt([]byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if s.Alter {
		at := strings.LastIndexByte(text, '.') + 1
		tag, _ := base64.RawURLEncoding.DecodeString(text[at:])
		tag[0] ^= 1
		text = text[:at] + base64.RawURLEncoding.EncodeToString(tag)
	}
	return text
}
