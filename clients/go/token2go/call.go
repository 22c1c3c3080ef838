package token2go

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"strconv"
	"time"

	"github.com/token2go/token2go/internal/seal"
)

// call is what one Get asks for: an answer must fit its key, its state and its format.
type call struct {
	format  Format
	private crypto.PrivateKey // never leaves the process
	key     *seal.Key         // the public half
	state   string            // 256 random bits
	began   time.Time
	now     func() time.Time
	uid     int // of the only user, root aside, whose connections are served; negative: anyone's
}

// newCall makes a fresh key and a fresh state. P-256 takes microseconds; RSA, for the
// triple, a good part of a second.
func newCall(format Format) (*call, error) {
	c := &call{format: format, state: random(32), began: time.Now(), now: time.Now, uid: ownUser()}
	var public crypto.PublicKey
	if format == Triple {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		c.private, public = private, &private.PublicKey
	} else {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		c.private, public = private, &private.PublicKey
	}
	var err error
	c.key, err = seal.NewKey(public)
	return c, err
}

// random returns so many random bytes as text that needs no escaping in an address.
func random(size int) string {
	bits := make([]byte, size)
	_, _ = rand.Read(bits) // never returns an error
	return base64.RawURLEncoding.EncodeToString(bits)
}

// flowPath is where the flow begins, below the server's prefix.
const flowPath = "flow/redirect/token"

// toListener is the address of the flow that ends at a listener.
func (c *call) toListener(server *url.URL, o Options, port int, path string) (string, error) {
	query := c.query(o)
	if c.format == Triple {
		private, _ := c.private.(*rsa.PrivateKey)
		body, err := x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			return "", err
		}
		query.Set("publicKeyType", string(seal.X509PEM))
		query.Set("publicKey", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: body})))
		query.Set("target", "http://127.0.0.1:"+strconv.Itoa(port)+path) // 1.0.3 knows no other way to say it
		return withQuery(server, query), nil
	}
	query.Set("responseMode", "auto")
	query.Set("port", strconv.Itoa(port)) // passes firewalls that refuse an address in a query
	query.Set("path", path)
	return withQuery(server, query), nil
}

// toPaste is the address of the flow that ends at a text to paste.
func (c *call) toPaste(server *url.URL, o Options) string {
	if c.format == Triple {
		return ""
	}
	query := c.query(o)
	query.Set("responseMode", "page")
	return withQuery(server, query)
}

// query is what every request of the call holds. For a triple the key is not in it yet.
func (c *call) query(o Options) url.Values {
	query := url.Values{"state": {c.state}, "client": {o.Client}}
	if c.format == JWE {
		query.Set("format", string(JWE))
		query.Set("publicKeyType", string(seal.JWK))
		query.Set("publicKey", base64.RawURLEncoding.EncodeToString([]byte(c.key.JWK()))) // JSON in a query is refused by some firewalls
	}
	if o.MinTTL > 0 {
		seconds := (o.MinTTL + time.Second - 1) / time.Second
		query.Set("minTTL", strconv.FormatInt(int64(seconds), 10))
	}
	return query
}

func withQuery(server *url.URL, query url.Values) string {
	address := server.JoinPath(flowPath)
	address.RawQuery = query.Encode()
	return address.String()
}
