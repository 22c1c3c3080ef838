package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// finding is what the doctor says about one thing.
type finding struct {
	Verdict string `json:"verdict"` // one of the verdicts
	About   string `json:"about"`
	Text    string `json:"text"`
	Fix     string `json:"fix,omitempty"`
}

// Doctor looks at what lies between this computer and a token. Each line goes to stdout
// as soon as it is known; with JSON, as an object.
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

// platform are the parts on this computer.
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

// server is what is found at the address.
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
	if through, err := http.ProxyFromEnvironment(r); err == nil && through != nil {
		address := url.URL{Scheme: through.Scheme, Host: through.Host} // the rest may be a credential
		d.find(finding{verdictNote, "proxy", "goes through " + address.String(), "hosts in NO_PROXY are reached without"})
	}
}

// answers says who answers at the address of the flow, and compares the clocks.
func (d *doctor) answers(ctx context.Context) {
	answer, err := d.ask(ctx, "flow/redirect/token", "")
	if err != nil {
		d.find(finding{verdictWrong, "flow", err.Error(), ""})
		return
	}
	kind, _, _ := mime.ParseMediaType(answer.header.Get("Content-Type"))
	switch code := answer.code; {
	case kind == "application/problem+json" && code != http.StatusNotFound:
		d.find(finding{verdictWrong, "gateway", "Token2go answers, and no gateway before it", "give out the gateway's address, and let nobody reach Token2go past it"})
		d.find(finding{verdictOK, "flow", "is offered", ""})
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code >= 300 && code < 400:
		d.find(finding{verdictOK, "gateway", "answers, and wants a sign-in: " + answer.signIn(), ""})
		if _, kept := d.request.kept(); kept {
			d.find(finding{verdictOK, "flow", "is offered: it gave the token that is kept", ""})
		} else {
			d.find(finding{verdictNote, "flow", "is behind the sign-in", "to look at it: token2go get " + quoted(d.request.Server)})
		}
	case code == http.StatusNotFound:
		d.find(finding{verdictWrong, "flow", "there is no flow at this address", "the path before it may be wrong or missing; the page of Token2go shows its address"})
	case code >= http.StatusInternalServerError:
		d.find(finding{verdictWrong, "gateway", "answers " + answer.status, "Token2go behind the gateway does not run, or cannot be reached from there"})
	default:
		d.find(finding{verdictWrong, "flow", "the answer is " + answer.status + ", which is neither a gateway's nor Token2go's", "check the address"})
	}
	d.clock(answer)
}

// reply is what is looked at of an answer.
type reply struct {
	code   int
	status string
	header http.Header
	leads  *url.URL // nil: nowhere
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

// bearer tries whether the gateway takes a token from a program. The token goes to where
// it came from and nowhere else, and not in the clear, which the flow never needs.
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
		d.find(finding{verdictOK, "programs", "the gateway takes the token", ""})
	default:
		d.find(finding{
			verdictNote, "programs", "the gateway takes no token here, only its cookie (" + answer.status + ")",
			"if the applications want that: oauth2-proxy has --skip-jwt-bearer-tokens",
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
	_ = answer.Body.Close()
	leads, _ := answer.Location() // nil where it leads nowhere
	return reply{answer.StatusCode, answer.Status, answer.Header, leads}, nil
}
