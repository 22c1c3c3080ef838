package proxy

import (
	"crypto/subtle"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/check"
	"github.com/token2go/token2go/internal/pass/lockbox"
	"github.com/token2go/token2go/internal/pass/magic"
	"github.com/token2go/token2go/internal/secret"
)

// Older are the routes of lockbox besides its services, as "METHOD /path"; nil where its
// compatibility is off.
func (p *Proxy) Older() map[string]func(http.ResponseWriter, *http.Request) error {
	if p.o.Callers.Lockbox == nil {
		return nil
	}
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /healthz":       func(w http.ResponseWriter, _ *http.Request) error { return writeText(w, http.StatusOK, "OK") },
		"POST /admin/reload": p.serveReload,
	}
}

// serveReload reads the services file again for who has a token of lockbox for it.
func (p *Proxy) serveReload(w http.ResponseWriter, r *http.Request) error {
	err := p.o.Callers.Lockbox.VerifyAdmin(r.Header["Authorization"], p.o.Now())
	if refused, found := errors.AsType[*lockbox.Refusal](err); found {
		return writeText(w, refused.Status, refused.Text)
	}
	if err != nil {
		return err
	}
	answer := struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}{"ok", "Configuration reloaded successfully"}
	status := http.StatusOK
	if err := p.Reload(); err != nil {
		answer.Status, answer.Message, status = "error", err.Error(), http.StatusInternalServerError
	}
	return writeJSON(w, status, answer)
}

// Minting is who may make tokens of magic-api-proxy.
type Minting struct {
	Secret secret.Value  // opens it as a Bearer token; absent: none does
	Open   bool          // anyone may
	TTL    time.Duration // of new tokens; 0: a day
}

// magicPath is where magic-api-proxy makes tokens.
const magicPath = "/__magictoken"

const defaultMagicTTL = 24 * time.Hour

// serveMagic makes a token of magic-api-proxy, or says what is behind.
func (p *Proxy) serveMagic(w http.ResponseWriter, r *http.Request, s *Service) error {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return writeText(w, http.StatusOK, "magic API proxy for "+s.Base.String()+" version token2go")
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return writeText(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	}
	if err := p.mayMint(r, s); err != nil {
		return err
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" {
		return writeText(w, http.StatusUnsupportedMediaType, "Request must be json")
	}
	const most = 64 << 10
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return err
	}
	request, err := magic.ParseRequest(body, slices.Sorted(maps.Keys(s.Scopes)))
	if err != nil {
		return writeText(w, http.StatusBadRequest, err.Error())
	}
	ttl := p.o.Mint.TTL
	if ttl == 0 {
		ttl = defaultMagicTTL
	}
	token, err := p.o.Callers.Magic.Mint(request, ttl)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, err = io.WriteString(w, token.Reveal())
	return err
}

// mayMint wants the secret, or a key that was given the right for this service.
func (p *Proxy) mayMint(r *http.Request, s *Service) error {
	if p.o.Mint.Open {
		return nil
	}
	shown := authorization(r.Header.Get("Authorization"))
	if held := p.o.Mint.Secret; !held.Absent() && subtle.ConstantTimeCompare([]byte(shown), []byte(held.Reveal())) == 1 {
		return nil
	}
	if !p.o.Callers.isKey(shown) {
		return refuse(noCredential, ErrNoCredential)
	}
	key, err := p.o.Callers.Prefix.Parse(shown)
	if err != nil {
		return &check.Refusal{Kind: check.InvalidKey, Reason: check.Malformed}
	}
	verdict, err := p.o.Callers.Checker.Check(r.Context(), check.Opaque(key), check.Facts{Address: p.o.Address(r), Service: true})
	if err != nil {
		return err
	}
	if !slices.Contains(verdict.Key.Grants, "mint:"+s.Name) {
		return refuse(notAccepted, ErrNotAccepted)
	}
	return nil
}

// checkHost refuses spellings of addresses that not all resolvers read alike, such as
// 0x7f.1 and 2130706433.
func checkHost(base *url.URL) error {
	if port := base.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return errors.New("want a port up to 65535")
		}
	}
	host := strings.TrimSuffix(strings.ToLower(base.Hostname()), ".")
	if strings.Contains(host, ":") {
		if strings.Contains(host, "%") {
			return errors.New("want an address without a zone")
		}
		return nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits := strings.Trim(last, "0123456789") == ""
	hexadecimal := strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
	if (digits || hexadecimal) && !isAddress(host) {
		return errors.New("want a name, or an address in its usual form: this one is read in more than one way")
	}
	return nil
}
