package token2go

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/loopback"
)

// Format says in which envelope the token comes.
type Format string

// The formats.
const (
	JWE    Format = "jwe"    // RFC 7516 for a P-256 key; of Token2go
	Triple Format = "triple" // three fields for an RSA key; of token2go-server 1.0.3
)

// DefaultTimeout is how long Get waits by default.
const DefaultTimeout = 5 * time.Minute

// Options say which server is asked, and how the person is reached. Server is required;
// the zero value of every other field is fine.
type Options struct {
	Server     string        // the address of Token2go behind its gateway, a path prefix included; https, or http on loopback
	AllowHTTP  bool          // take http beyond loopback as well; anyone on the network path can then ask in this program's place
	Client     string        // the name that the person is shown; empty: token2go
	Format     Format        // empty: JWE
	Fresh      bool          // a Cache or a Source asks even where it holds a token, and replaces that
	MinTTL     time.Duration // how long the token must still live, up to a day; rounded up to whole seconds
	Timeout    time.Duration // how long to wait; 0: DefaultTimeout
	Ports      []int         // to listen on, the first that is free, for a firewall or a tunnel; empty: any
	Background bool          // no person started this: after a question that no one answered, a Cache waits before the next, longer each time
	PasteOnly  bool          // no listener: the page shows a sealed text, which Paste reads

	// Show shows the person where to go. It is called once, before the other hooks.
	Show func(Prompt)

	// Open opens an address in the person's browser: the prompt's ShortURL, or its URL
	// where that is empty. It runs beside the wait, may take its time, and is not waited
	// for; its error becomes a warning. Nil: nothing is opened, and the person follows
	// Show.
	Open func(url string) error

	// Paste returns what the person has pasted: a line, or all of it. It is called again
	// and again while the wait lasts, and must return when ctx is done, within a second.
	// An error, such as io.EOF, says that nothing more will come.
	Paste func(ctx context.Context) (string, error)

	// Warn gets what did not end the call: a *ClockError, a browser that did not open, or
	// an *Error of a kind such as ErrAnswer or ErrNotKept. It is not called twice at once,
	// nor after Get has returned.
	Warn func(error)

	// HTTPClient is what Probe asks with, for a certificate authority or a proxy of your
	// own. Nil: one that goes through the environment's Proxy.
	HTTPClient *http.Client
}

// Prompt is what the person needs to know.
type Prompt struct {
	URL      string    // opens the flow; with PasteOnly the same as PasteURL
	ShortURL string    // redirects to URL while the wait lasts, for this computer only; empty with PasteOnly
	PasteURL string    // opens the flow such that it ends in a text to paste; empty for Triple
	Words    [4]string // the page shows the same four
	Until    time.Time // when the wait ends
}

// checked returns the options with every default in place, and the server's address.
func (o Options) checked() (Options, *url.URL, error) {
	server, err := parseServer(o.Server, o.AllowHTTP)
	if err != nil {
		return o, nil, err
	}
	o.Client = cmp.Or(o.Client, "token2go")
	o.Format = cmp.Or(o.Format, JWE)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	if err := o.check(); err != nil {
		return o, nil, err
	}
	return o, server, nil
}

func (o Options) check() error {
	unusable := func(option, format string, values ...any) error {
		return &Error{Kind: ErrOptions, Option: option, Detail: fmt.Sprintf(format, values...)}
	}
	switch {
	case o.Format != JWE && o.Format != Triple:
		return unusable("Format", "%q, want %q or %q", o.Format, JWE, Triple)
	case o.Timeout < 0:
		return unusable("Timeout", "%s, want more than 0", o.Timeout)
	case o.MinTTL < 0 || o.MinTTL > 24*time.Hour:
		return unusable("MinTTL", "%s, want 0 to 24h", o.MinTTL)
	case o.PasteOnly && o.Paste == nil:
		return unusable("PasteOnly", "nothing can be pasted here")
	case o.PasteOnly && o.Format == Triple:
		return unusable("PasteOnly", "a triple cannot be pasted, want the format jwe")
	}
	for _, port := range o.Ports {
		if port < 0 || port > 65535 {
			return unusable("Ports", "%d, want 0 to 65535", port)
		}
	}
	return nil
}

// parseServer reads the address of a server. Its errors do not repeat an address that
// may hold a password.
func parseServer(text string, allowHTTP bool) (*url.URL, error) {
	const example = "want one such as https://t2g.example.org"
	var fault string
	server, err := url.Parse(text)
	switch {
	case text == "":
		fault = "the address is empty, " + example
	case err != nil:
		fault = "the address cannot be read, " + example
	case server.User != nil:
		fault = "the address holds a user name, want it without"
	case server.Scheme != "https" && server.Scheme != "http" || server.Opaque != "":
		fault = "the address does not begin with https://, " + example
	case server.Hostname() == "":
		fault = "the address has no host, " + example
	case server.RawQuery != "" || server.ForceQuery || strings.Contains(text, "#"):
		fault = "the address has a query or a fragment, want the address of Token2go alone"
	case server.Scheme == "http" && !allowHTTP && !loopback.Host(server.Hostname()):
		return nil, &Error{Kind: ErrOptions, Option: "AllowHTTP", Detail: "needed for http beyond this computer, which others can read; want https"}
	default:
		return server, nil
	}
	return nil, &Error{Kind: ErrOptions, Option: "Server", Detail: fault}
}
