package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/token2go/token2go/clients/go/token2go"
)

// options returns the options of a request, and a function that restores the terminal,
// which must be called.
func (e Env) options(r Request) (token2go.Options, func(), error) {
	client, err := httpClient(r.CAFile)
	if err != nil {
		return token2go.Options{}, nil, err
	}
	browser, err := currentPlatform(e.Getenv).browse(r.Browser)
	if err != nil {
		return token2go.Options{}, nil, err
	}
	o := token2go.Options{
		Server:     r.Server,
		AllowHTTP:  r.AllowHTTP,
		Client:     r.Client,
		Fresh:      r.Fresh,
		Background: r.Program,
		Format:     token2go.Format(r.Format),
		MinTTL:     r.minTTL(),
		Timeout:    time.Duration(r.Timeout),
		Ports:      r.Ports,
		PasteOnly:  r.Paste,
		HTTPClient: client,
		Warn:       func(err error) { e.note(Event{Event: "warning"}, "%s", message(err)) },
	}
	end := func() {}
	switch {
	case isTerminal(e.Stdin) && foreground(e.Stdin):
		t := &terminal{file: e.Stdin}
		o.Paste, end = t.read, t.end
	case r.Paste:
		o.Paste = fromLines(e.Stdin)
	}
	pastes := o.Paste != nil
	browser = browser.forQuestion(r, pastes)
	o.Open = browser.open
	if !e.canAnswer(r, browser, pastes) {
		return token2go.Options{}, nil, fmt.Errorf("%w: %s, and stdin is no terminal to paste into; first run, in a terminal: token2go get %s",
			errNotSignedIn, browser.reason, r.argument())
	}
	o.Show = func(p token2go.Prompt) { e.show(r, browser, p, pastes) }
	if browser.pasteFirst(r, pastes) {
		openPaste(&o)
	}
	return o, end, nil
}

// openPaste makes Open open the address that ends in a text to paste.
func openPaste(o *token2go.Options) {
	show, open, address := o.Show, o.Open, ""
	o.Show = func(p token2go.Prompt) { address = p.PasteURL; show(p) } // before Open is called
	if open != nil {
		o.Open = func(string) error { return open(address) }
	}
}

// httpClient trusts the system's authorities and, where one is named, that one too. It
// goes through the proxy that the environment names.
func httpClient(ca string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.Proxy, transport.OnProxyConnectResponse = token2go.Proxy, token2go.ProxyConnectResponse
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

// openEvent is the event that says what has to be opened.
func openEvent(r Request, p token2go.Prompt) Event {
	return Event{
		Event: "open", Server: r.Server, URL: p.URL, ShortURL: p.ShortURL, PasteURL: p.PasteURL, Words: p.Words[:], Until: p.Until,
	}
}

// show tells the person what to open: first the address that should work, and the other
// one beside it.
func (e Env) show(r Request, browser browserAccess, p token2go.Prompt, pastes bool) {
	e.emit(openEvent(r, p))
	paste := p.PasteURL
	if !pastes {
		paste = ""
	}
	listener := p.ShortURL
	if !browser.local && paste == "" && len(r.Ports) == 0 && listener != "" {
		listener = p.URL // a browser anywhere opens it, and what it ends up at can be pasted
	}
	var text strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&text, format+"\n", values...) }
	switch {
	case browser.open != nil && (listener == "" || browser.pasteFirst(r, pastes)):
		line("token2go: opening your browser to sign in at %s", r.Server)
	case browser.open != nil:
		line("token2go: opening your browser to sign in at %s\n  If it does not open, open this on this computer:\n\n    %s\n", r.Server, listener)
	case listener == "" || browser.pasteFirst(r, pastes):
		line("token2go: sign in at %s (%s)", r.Server, browser.reason)
	case listener == p.URL:
		line("token2go: sign in at %s (%s)\n  On any computer: open this and paste here the address that the browser ends up at:\n\n%s\n", r.Server, browser.reason, listener)
	default:
		line("token2go: open this on this computer to sign in at %s\n\n    %s\n", r.Server, listener)
	}
	line("  The page shows these four words: %s", strings.Join(p.Words[:], " "))
	line("  Waiting until %s; Ctrl-C cancels.", clock(p.Until, time.Now()))
	if browser.pasteFirst(r, pastes) && listener != "" {
		line("  On this computer: open %s", listener)
	}
	switch {
	case paste != "":
		line("  On any computer: open this and paste here what the page shows, or the\n"+
			"  http://127.0.0.1 address that the browser cannot reach:\n\n%s\n", paste)
	case listener == "":
		line("  Open this, and hand what the page shows to stdin:\n\n%s\n", p.PasteURL)
	}
	e.plain("%s", text.String())
}

// canAnswer reports whether anything the person does can bring an answer here.
func (e Env) canAnswer(r Request, browser browserAccess, pastes bool) bool {
	return browser.open != nil || browser.local || pastes || len(r.Ports) > 0 || e.JSON // a program may have its own ways
}

func asFile(w io.Writer) *os.File {
	file, _ := w.(*os.File)
	return file
}
