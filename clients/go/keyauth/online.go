package keyauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/token2go/token2go/internal/secret"
)

// question is what the server is asked.
type question struct {
	key                          secret.Value
	Address                      netip.Addr
	Origin, Referer, Method, URI string
}

// id is what answers are kept under: all that a verdict depends on, but for the method
// and the address of the request, which no key is bound to.
func (q question) id() [sha256.Size]byte {
	text, _ := json.Marshal([]string{q.key.Reveal(), q.Address.String(), q.Origin, q.Referer}) // texts alone: no error
	return sha256.Sum256(text)
}

// answer is what the server said.
type answer struct {
	key     Key
	refused *Refused // nil: the key is good
	at      time.Time
}

// online asks the server about each key.
type online struct {
	o       Options
	secret  secret.Value
	known   *lru.Cache[[sha256.Size]byte, answer]
	flights singleflight.Group
}

func newOnline(o Options, held secret.Value) (*online, error) {
	const maxKnown = 10_000
	known, err := lru.New[[sha256.Size]byte, answer](maxKnown)
	return &online{o: o, secret: held, known: known}, err
}

// check answers from memory where that is recent enough. All who ask for the same thing
// at once share one request.
func (o *online) check(ctx context.Context, q question) (Key, error) {
	id := q.id()
	last, known := o.known.Get(id)
	if known && o.age(last) < o.o.MaxAge {
		return last.verdict(o.o.Now())
	}
	flight := o.flights.DoChan(string(id[:]), func() (any, error) {
		// Not the context of one caller, whose end would be everyone's.
		return o.ask(context.WithoutCancel(ctx), q)
	})
	select {
	case <-ctx.Done():
		return Key{}, ctx.Err()
	case result := <-flight:
		if result.Err == nil {
			fresh, _ := result.Val.(answer)
			o.keep(id, fresh)
			return fresh.verdict(o.o.Now())
		}
		if known && o.age(last) < o.o.MaxStale {
			return last.verdict(o.o.Now())
		}
		return Key{}, unavailable(result.Err)
	}
}

func (o *online) age(a answer) time.Duration { return o.o.Now().Sub(a.at) }

// keep keeps good keys alone: one that is refused may have been made a moment later, and
// a limit that was reached ends by itself.
func (o *online) keep(id [sha256.Size]byte, a answer) {
	if a.refused == nil && o.o.MaxAge > 0 {
		o.known.Add(id, a)
	} else {
		o.known.Remove(id)
	}
}

func (a answer) verdict(now time.Time) (Key, error) {
	switch {
	case a.refused != nil:
		return Key{}, a.refused
	case !a.key.Expires.IsZero() && !now.Before(a.key.Expires):
		return Key{}, errInvalid
	}
	return a.key, nil
}

// ask asks the server. An error is that the server did not decide.
func (o *online) ask(ctx context.Context, q question) (answer, error) {
	asked := o.o.Now()
	request, err := o.request(ctx, q)
	if err != nil {
		return answer{}, err
	}
	response, err := o.o.HTTPClient.Do(request)
	if err != nil {
		return answer{}, errors.Unwrap(err) // without the address, which is in the configuration
	}
	defer response.Body.Close()
	const maxAnswer = 256 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		key, err := readVerdict(body)
		return answer{key: key, at: asked}, err
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		refused, err := o.readRefusal(response, body)
		return answer{refused: refused, at: asked}, err
	}
	return answer{}, fmt.Errorf("the server answers with status %d", response.StatusCode)
}

// request asks with the key itself, or in the name of the application.
func (o *online) request(ctx context.Context, q question) (*http.Request, error) {
	if o.secret.Absent() {
		address := o.o.Server + "/check"
		if o.o.App != "" {
			address += "?app=" + url.QueryEscape(o.o.App)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+q.key.Reveal())
		for name, value := range map[string]string{"Origin": q.Origin, "Referer": q.Referer} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		return r, nil
	}
	body, err := json.Marshal(map[string]string{
		"key": q.key.Reveal(), "app": o.o.App, "ip": q.Address.String(), "referer": cmp.Or(q.Origin, q.Referer), "method": q.Method, "uri": q.URI,
	})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.o.Server+"/check", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+o.secret.Reveal())
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

func readVerdict(body []byte) (Key, error) {
	var verdict struct {
		Subject, Login, Email string
		Roles, Groups, Apps   []string
		Config                json.RawMessage
		Key                   struct {
			ID, Name, Kind string
			Expires        time.Time
		}
	}
	if err := json.Unmarshal(body, &verdict); err != nil || verdict.Key.ID == "" {
		return Key{}, errors.New("the server's answer is no verdict; is the address that of the API listener?")
	}
	return Key{
		ID: verdict.Key.ID, Name: verdict.Key.Name, Kind: verdict.Key.Kind, Expires: verdict.Key.Expires,
		Subject: verdict.Subject, Login: verdict.Login, Email: verdict.Email,
		Roles: verdict.Roles, Groups: verdict.Groups, Apps: verdict.Apps, Config: verdict.Config,
	}, nil
}

// readRefusal reads a problem document about the key. One about this program's own key, or
// an answer of something else on the way, is an error.
func (o *online) readRefusal(response *http.Response, body []byte) (*Refused, error) {
	var problem struct{ Kind, Detail string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Kind == "" {
		return nil, fmt.Errorf("status %d without a problem document; is the address that of the API listener?", response.StatusCode)
	}
	switch problem.Kind {
	case "peer_not_allowed", "caller_invalid", "grant_missing":
		return nil, fmt.Errorf("the server refuses this program: %s", problem.Kind)
	}
	refused := &Refused{
		Status: response.StatusCode, Kind: problem.Kind, Detail: problem.Detail, RetryAfter: response.Header.Get("Retry-After"),
	}
	if refused.Status == http.StatusUnauthorized {
		refused.Challenges = challenges()
	}
	return refused, nil
}
