package api_test

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/api"
	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/signing"
)

// originalVariable names the address at which a running apikey-manager checks a key, with
// the key in it.
const originalVariable = "T2G_BENCH_APIKEY_MANAGER"

// BenchmarkCheckOverLoopback compares a whole check with a bare handler that answers the
// same bytes, in turns, so that both have the same machine.
func BenchmarkCheckOverLoopback(b *testing.B) {
	f := open(b, func(o *api.Options) { o.Web.Access = nil })
	key := f.add(nil)
	want := f.get(b, "/check", bearer(key)...)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range want.header {
			if name != "Date" {
				w.Header()[name] = values
			}
		}
		_, _ = io.WriteString(w, want.body)
	}))
	defer bare.Close()
	targets := []struct {
		name, address string
		took          []time.Duration
	}{{"check", f.address + "/check", nil}, {"bare handler", bare.URL, nil}, {"apikey-manager", os.Getenv(originalVariable), nil}}
	for range b.N {
		for i := range targets {
			if targets[i].address != "" {
				targets[i].took = append(targets[i].took, ask(b, targets[i].address, key))
			}
		}
	}
	own := median(targets[0].took)
	b.ReportMetric(float64(median(targets[1].took))/float64(own), "of-bare")
	if targets[2].address == "" {
		b.Logf("apikey-manager: not run; %s names none", originalVariable)
	} else {
		b.ReportMetric(float64(median(targets[2].took))/float64(own), "x-apikey-manager")
	}
	for _, target := range targets[:2] {
		middle := median(target.took)
		b.ReportMetric(float64(target.took[len(target.took)*99/100])/float64(middle), "p99/median-"+target.name[:4])
	}
}

func ask(b *testing.B, address, key string) time.Duration {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	begin := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: got %d", address, answer.StatusCode)
	}
	return time.Since(begin)
}

// nothing is a ResponseWriter that costs nothing.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header         { return n.header }
func (n nothing) Write(b []byte) (int, error) { return len(b), nil }
func (n nothing) WriteHeader(int)             {}

// BenchmarkHandlerLatency shows how the time of one check is spread, without a connection.
func BenchmarkHandlerLatency(b *testing.B) {
	f := open(b, func(o *api.Options) { o.Web.Access = nil })
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = f.add(nil)
	}
	took := make([]time.Duration, 0, b.N)
	for range b.N {
		r := httptest.NewRequest(http.MethodGet, "/check", nil)
		r.Header.Set("Authorization", "Bearer "+keys[rand.IntN(len(keys))])
		w := nothing{http.Header{}}
		begin := time.Now()
		f.ServeHTTP(w, r)
		took = append(took, time.Since(begin))
	}
	middle := median(took)
	for _, part := range []struct {
		name string
		at   int
	}{{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p99.9", 999}} {
		b.ReportMetric(float64(took[len(took)*part.at/1000].Microseconds()), part.name+"-µs")
	}
	b.ReportMetric(float64(took[len(took)*99/100])/float64(middle), "p99/median")
}

// BenchmarkSignedKey compares a signed key that was seen before, one that was not, and
// go-jose's own verification of the same JWT.
func BenchmarkSignedKey(b *testing.B) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	ring := &counted{Ring: signing.NewRing(signing.APIKeys)}
	key, err := signing.New(signing.APIKeys, signing.Active, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if err := ring.Set([]signing.Key{key}); err != nil {
		b.Fatal(err)
	}
	f := open(b, func(o *api.Options) { o.Web.Access = nil; o.JWTs = ring; o.Issuer = "https://api.example.org" })
	id := prefix.Mint().ID
	f.set.Put(check.Key{ID: id, Kind: apikey.JWT, Person: 1, Name: "nightly job"})
	claims := fmt.Sprintf(`{"iss":"https://api.example.org","sub":"4503599627370496","jti":%q,"iat":1764547200,"exp":4102444800,`+
		`"status":{"status_list":{"idx":4711,"uri":"https://api.example.org/status-lists/0"}}}`, id)
	compact, err := ring.Sign(jsonText(claims))
	if err != nil {
		b.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: key.ID}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		b.Fatal(err)
	}
	same, err := signer.Sign([]byte(claims))
	if err != nil {
		b.Fatal(err)
	}
	text, err := same.CompactSerialize()
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/check", nil)
	r.Header.Set("Authorization", "Bearer "+compact)
	present := func() {
		if err := f.Decide(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	var cached, uncached, original []time.Duration
	measure := func(into *[]time.Duration, run func()) {
		begin := time.Now()
		run()
		*into = append(*into, time.Since(begin))
	}
	for range b.N {
		ring.version++ // what was verified before does not count any more
		measure(&uncached, present)
		measure(&cached, present)
		measure(&original, func() {
			parsed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.EdDSA})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := parsed.Verify(private.Public()); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(float64(median(uncached))/float64(median(cached)), "uncached/cached")
	b.ReportMetric(float64(median(uncached))/float64(median(original)), "uncached/go-jose")
	b.ReportMetric(float64(median(cached)), "cached-ns")
}

func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}

// counted is a ring whose version the benchmark sets.
type counted struct {
	*signing.Ring
	version uint64
}

func (c *counted) Version() uint64 { return c.version }

type jsonText string

func (t jsonText) MarshalJSON() ([]byte, error) { return []byte(t), nil }
