package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// options are what the client package is asked with. What it returns besides puts the
// terminal back, and is to be called whatever happens.
func (e Env) options(r Request) (token2go.Options, func(), error) {
	client, err := httpClient(r.CAFile)
	if err != nil {
		return token2go.Options{}, nil, err
	}
	where, err := currentPlatform(e.Getenv).browse(r.Browser)
	if err != nil {
		return token2go.Options{}, nil, err
	}
	o := token2go.Options{
		Server:     r.Server,
		AllowHTTP:  r.AllowHTTP,
		Client:     r.Client,
		Format:     token2go.Format(r.Format),
		MinTTL:     r.minTTL(),
		Timeout:    time.Duration(r.Timeout),
		PasteOnly:  r.Paste,
		Open:       where.open,
		HTTPClient: client,
		Warn:       func(err error) { e.note(Event{Event: "warning"}, "%s", err) },
	}
	if len(r.Ports) > 0 {
		o.Port = r.Ports[0]
	}
	end := func() {}
	switch {
	case isTerminal(e.Stdin) && foreground(e.Stdin):
		t := &terminal{file: e.Stdin}
		o.Paste, end = t.read, t.end
	case r.Paste:
		o.Paste = fromLines(e.Stdin)
	}
	o.Show = func(p token2go.Prompt) { e.show(r, where, p, o.Paste != nil) }
	return o, end, nil
}

// httpClient trusts the system's authorities and, where one is named, that one too. It
// goes through the proxy that the environment names.
func httpClient(ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, usage("--ca-file: %v", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, usage("--ca-file: %s holds no certificate in PEM", ca)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: 15 * time.Second}, nil
}

// fromLines reads what is pasted from a file or a pipe.
func fromLines(file *os.File) func(context.Context) (string, error) {
	lines := bufio.NewReaderSize(file, 64<<10)
	return func(context.Context) (string, error) { return lines.ReadString('\n') }
}

// opening is what a program in the person's place is told.
func opening(r Request, p token2go.Prompt) Event {
	return Event{
		Event: "open", Server: r.Server, URL: p.URL, ShortURL: p.ShortURL, PasteURL: p.PasteURL, Words: p.Words[:], Until: p.Until,
	}
}

// show tells the person what to do. The address is the shortest that leads there: on
// this computer one of the listener's, anywhere else the one that ends in a text to
// paste.
func (e Env) show(r Request, where browserAccess, p token2go.Prompt, pastes bool) {
	e.emit(opening(r, p))
	words, until := strings.Join(p.Words[:], " "), clock(p.Until, time.Now())
	address := p.ShortURL
	if !where.local && pastes && p.PasteURL != "" || address == "" {
		address = p.PasteURL
	}
	switch {
	case where.open != nil:
		e.plain("token2go: opening your browser to sign in at %s\n", r.Server)
		e.plain("  If none opens, open this on this computer:\n\n    %s\n\n", address)
	case where.local:
		e.plain("token2go: open this on this computer to sign in at %s\n\n    %s\n\n", r.Server, address)
	case pastes:
		e.plain("token2go: open this in a browser, on any computer, to sign in at %s\n\n%s\n\n", r.Server, address)
	default:
		e.plain("token2go: %s, and no terminal to paste into. Best sign in first: token2go get %s\n", where.reason, quoted(r.Server))
		e.plain("  Or open this in a browser on this computer:\n\n    %s\n\n", address)
	}
	e.plain("  A page that asks shows these four words: %s\n", words)
	if pastes && !where.local {
		e.plain("  Paste here what the page shows, or the http://127.0.0.1 address that the browser could not reach.\n")
	}
	e.plain("  This waits until %s. Ctrl-C ends it.\n", until)
}

func asFile(w io.Writer) *os.File {
	file, _ := w.(*os.File)
	return file
}
