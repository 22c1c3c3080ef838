package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// Verdicts of the doctor.
const (
	verdictOK    = "ok"
	verdictNote  = "note"
	verdictWrong = "WRONG"
)

// finding is the result of one check.
type finding struct {
	Verdict string `json:"verdict"` // one of the verdicts
	About   string `json:"about"`
	Text    string `json:"text"`
	Fix     string `json:"fix,omitempty"`
}

// Doctor checks everything between this computer and a token. Each line goes to stdout as
// soon as it is known; with JSON, as an object.
func (e Env) Doctor(ctx context.Context, r Request) error {
	d := &doctor{Env: e, request: r}
	d.checkComputer()
	d.server(ctx)
	if d.wrong > 0 {
		return errFindings
	}
	return ctx.Err()
}

type doctor struct {
	Env
	request Request
	client  *http.Client
	wrong   int
	old     bool // a token2go-server 1.0.3 was found
}

func (d *doctor) find(f finding) {
	if f.Verdict == verdictWrong {
		d.wrong++
	}
	if d.JSON {
		_ = json.NewEncoder(d.Stdout).Encode(f)
		return
	}
	fmt.Fprintf(d.Stdout, "%-5s  %-11s  %s\n", f.Verdict, f.About, printable(oneLine(f.Text)))
	if f.Fix != "" {
		fmt.Fprintf(d.Stdout, "%20s%s\n", "", printable(f.Fix))
	}
}

// checkComputer checks what is on this computer.
func (d *doctor) checkComputer() {
	if entry, err := d.request.cache().Load(d.request.Server); err != nil {
		d.find(finding{verdictWrong, "cache", err.Error(), ""})
	} else if entry.Good(0) {
		d.find(finding{verdictOK, "cache", "holds a token, " + lifetime(entry.Token, time.Now()), ""})
	} else {
		folder, _ := token2go.DefaultCacheDir() // it was found above
		d.find(finding{verdictOK, "cache", "holds no token of this server (" + folder + ")", ""})
	}
	for _, f := range d.gitFindings(d.request.Profile) {
		d.find(f)
	}
	where, err := currentPlatform(d.Getenv).browse(d.request.Browser)
	switch {
	case err != nil:
		d.find(finding{verdictWrong, "browser", err.Error(), "name one with --browser, $BROWSER or: token2go config set PROFILE browser COMMAND"})
	case where.open != nil:
		d.find(finding{verdictOK, "browser", "is opened on this computer", ""})
	case where.local:
		d.find(finding{verdictNote, "browser", "is not opened, as told; you open the address", ""})
	default:
		d.find(finding{verdictNote, "browser", "is not opened: " + where.reason, "open the address anywhere, and paste what the page shows"})
	}
}

// server checks what is at the address.
func (d *doctor) server(ctx context.Context) {
	var err error
	if d.client, err = httpClient(d.request.CAFile); err != nil {
		d.find(finding{verdictWrong, "certificate", err.Error(), ""})
		return
	}
	d.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	d.proxy(ctx)
	o := token2go.Options{Server: d.request.Server, AllowHTTP: d.request.AllowHTTP, HTTPClient: d.client}
	err = token2go.Probe(ctx, o)
	switch {
	case errors.Is(err, token2go.ErrOptions):
		d.find(finding{verdictWrong, "address", message(err), ""})
		return
	case errors.Is(err, token2go.ErrCertificate):
		d.find(finding{verdictWrong, "certificate", err.Error(), "--ca-file FILE, or: token2go config set PROFILE ca-file /path/to/authority.pem"})
		return
	case errors.Is(err, token2go.ErrUnreachable):
		d.find(finding{verdictWrong, "reached", err.Error(), "behind a proxy set HTTPS_PROXY; on a VPN connect it first"})
		return
	case err != nil && !errors.Is(err, token2go.ErrServer):
		d.find(finding{verdictWrong, "reached", err.Error(), ""})
		return
	}
	d.find(finding{verdictOK, "reached", d.request.Server, ""})
	if strings.HasPrefix(strings.ToLower(d.request.Server), "https:") {
		d.find(finding{verdictOK, "certificate", "is trusted", ""})
	}
	d.answers(ctx)
	d.bearer(ctx)
}

func (d *doctor) proxy(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.request.Server, nil)
	if err != nil {
		return
	}
	if through, err := token2go.Proxy(r); err == nil && through != nil {
		address := url.URL{Scheme: through.Scheme, Host: through.Host} // the rest may be a credential
		d.find(finding{verdictNote, "proxy", "goes through " + address.String(), "hosts in NO_PROXY are reached without"})
	}
}

// answers finds out what answers at the address of the flow, and compares the clocks.
func (d *doctor) answers(ctx context.Context) {
	answer, err := d.ask(ctx, "flow/redirect/token", "")
	if err != nil {
		d.find(finding{verdictWrong, "flow", err.Error(), ""})
		return
	}
	kind, _, _ := mime.ParseMediaType(answer.header.Get("Content-Type"))
	switch code := answer.code; {
	case code == http.StatusBadRequest && strings.HasPrefix(answer.body, oldFlowBody):
		d.find(finding{verdictWrong, "gateway", "a token2go-server 1.0.3 answers, and no gateway in front of it", "give out the gateway's address, and block access that bypasses it"})
		d.findOldServer()
	case kind == "application/problem+json" && code != http.StatusNotFound:
		d.find(finding{verdictWrong, "gateway", "Token2go answers, and no gateway in front of it", "give out the gateway's address, and block access that bypasses it"})
		d.find(finding{verdictOK, "flow", "is offered", ""})
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		d.find(finding{verdictOK, "gateway", "answers, and asks for a sign-in: " + answer.signIn(), ""})
		if _, kept := d.request.kept(); kept {
			d.find(finding{verdictOK, "flow", "works: it gave the token in the cache", ""})
		} else {
			d.find(finding{verdictNote, "flow", "is behind the sign-in, so it was not checked", "to check it: token2go get " + quoted(d.request.Server)})
		}
	case code == http.StatusNotFound:
		d.find(finding{verdictWrong, "flow", "there is no Token2go at this address", "the path may be wrong or missing; Token2go's page shows the address"})
	case code >= http.StatusInternalServerError:
		d.find(finding{verdictWrong, "gateway", "answers " + answer.status, "Token2go behind the gateway is not running, or the gateway cannot reach it"})
	default:
		d.find(finding{verdictWrong, "flow", "the answer is " + answer.status + ", neither a gateway's nor Token2go's", "check the address"})
	}
	d.clock(answer)
	if health, err := d.ask(ctx, "health", ""); err == nil && health.isOldServer() {
		d.findOldServer()
	}
}

// What a token2go-server 1.0.3 answers at the flow without parameters, and at /health: a
// newer one has no space there.
const (
	oldFlowBody   = "Bad Request. Missing query parameters: "
	oldHealthBody = `{"status": "OK."}`
)

func (d *doctor) findOldServer() {
	if d.request.Format == "triple" || d.old {
		return
	}
	d.old = true
	d.find(finding{verdictWrong, "server", "is a token2go-server 1.0.3, which knows the format triple only", "--format triple, or: token2go config set PROFILE format triple"})
}

// reply is an answer, with the beginning of its body.
type reply struct {
	code   int
	status string
	header http.Header
	leads  *url.URL // nil: nowhere
	body   string
}

func (r reply) isOldServer() bool {
	return r.code == http.StatusOK && strings.TrimSpace(r.body) == oldHealthBody
}

// signIn is where an answer leads, or what it is.
func (r reply) signIn() string {
	if r.leads == nil {
		return r.status
	}
	return "it sends to " + (&url.URL{Scheme: r.leads.Scheme, Host: r.leads.Host, Path: r.leads.Path}).String()
}

func (d *doctor) clock(answer reply) {
	const most = time.Minute
	at, err := http.ParseTime(answer.header.Get("Date"))
	if err != nil {
		return
	}
	if off := time.Since(at); off.Abs() > most {
		d.find(finding{verdictWrong, "clock", (&token2go.ClockError{Ahead: -off}).Error(), ""})
		return
	}
	d.find(finding{verdictOK, "clock", "agrees with the server's", ""})
}

// bearer tries whether the gateway accepts the token from a program. The token is sent to
// the server that it came from and nowhere else, and never unencrypted.
func (d *doctor) bearer(ctx context.Context) {
	token, kept := d.request.kept()
	server, err := url.Parse(d.request.Server)
	if !kept || err != nil || !(credential{protocol: server.Scheme, host: server.Host}).encrypted() {
		return
	}
	answer, err := d.ask(ctx, "health", token.TokenType+" "+token.Reveal())
	switch {
	case err != nil:
		d.find(finding{verdictWrong, "programs", err.Error(), ""})
	case answer.code == http.StatusOK:
		d.find(finding{verdictOK, "programs", "the gateway accepts the token", ""})
		if answer.isOldServer() {
			d.findOldServer()
		}
	default:
		d.find(finding{
			verdictNote, "programs", "the gateway does not accept the token here, only its cookie (" + answer.status + ")",
			"where programs should get through with a token: oauth2-proxy has --skip-jwt-bearer-tokens",
		})
	}
}

// ask asks a path below the server's address, as a program does.
func (d *doctor) ask(ctx context.Context, path, authorization string) (reply, error) {
	base, err := url.Parse(d.request.Server)
	if err != nil {
		return reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Accept", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	const enough = 4 << 10
	body, _ := io.ReadAll(io.LimitReader(answer.Body, enough)) // what came of it
	leads, _ := answer.Location()                              // nil where it leads nowhere
	return reply{answer.StatusCode, answer.Status, answer.Header, leads, string(body)}, nil
}
