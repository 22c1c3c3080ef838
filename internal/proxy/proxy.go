package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/pass"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/rule"
)

// Options are what a Proxy needs.
type Options struct {
	Callers  Callers
	Resolver Resolver // nil: the system's
	// Read reads the services file again; nil: it is never read again.
	Read func() (*Services, error)
	// Revocations take those of the services file; nil: they come from elsewhere.
	Revocations *pass.Revocations
	Mint        Minting // of magic-api-proxy's tokens
	// Names are the hosts of this server, with a port where it is not the scheme's own. No
	// service may lead to them.
	Names []string
	Own   func() []netip.AddrPort // addresses of this server's listeners, which no service may lead to; nil: none
	// Address returns the caller's address; nil: the connection's peer.
	Address func(*http.Request) netip.Addr
	// Event takes one event a call; required.
	Event func(context.Context, Event)
	Log   *slog.Logger     // required
	Now   func() time.Time // nil: time.Now
}

// Event is one call: never a header, a body, a value or a token.
type Event struct {
	At       time.Time
	Service  string
	Method   string
	Path     string   // decoded once; empty for one that was not canonical
	Query    []string // names
	Status   int
	Sent     int64 // bytes of the answer's body
	Received int64 // bytes of the request's body
	Spent    time.Duration
	Caller   Caller
	Rule     string // that decided
	Kind     problem.Kind
	Detail   string // why it was refused, for the operator
}

// Proxy serves the services of a file. It is safe for concurrent use.
type Proxy struct {
	o        Options
	services atomic.Pointer[running]

	replacing sync.Mutex
	limits    *lru.Cache[string, *rate.Limiter] // of callers, by the ID that their calls are counted under
}

// running is a services file in use.
type running struct {
	file    *Services
	targets map[string]*target
}

// target is a service with what carries its calls.
type target struct {
	*Service
	proxy *httputil.ReverseProxy
	slots chan struct{} // nil: any number of calls at once
	rate  *rate.Limiter // nil: without limit
}

// New makes a Proxy.
func New(o Options, services *Services) (*Proxy, error) {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Address == nil {
		o.Address = peer
	}
	limits, err := lru.New[string, *rate.Limiter](maxLimits)
	if err != nil {
		return nil, err
	}
	p := &Proxy{o: o, limits: limits}
	return p, p.Replace(services)
}

func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// ErrNotRead is returned by Reload where the services file is never read again.
var ErrNotRead = errors.New("the services file is read at the start alone")

// Reload reads the services file again. Where it is wrong, the services stay as they are.
func (p *Proxy) Reload() error {
	if p.o.Read == nil {
		return ErrNotRead
	}
	services, err := p.o.Read()
	if err == nil {
		err = p.Replace(services)
	}
	if err != nil {
		p.o.Log.Error("services file not taken; the services stay as they are", "cause", err)
		return err
	}
	p.o.Log.Info("services file read", "services", len(services.ByName))
	return nil
}

// Replace has calls that begin from now on use other services. Calls under way go on.
func (p *Proxy) Replace(services *Services) error {
	p.replacing.Lock()
	defer p.replacing.Unlock()
	next := &running{file: services, targets: map[string]*target{}}
	for name, s := range services.ByName {
		if slices.ContainsFunc(p.o.Names, func(own string) bool { return strings.EqualFold(own, s.Base.Host) }) {
			return fmt.Errorf("services.%s: base_url leads back to this server", name)
		}
		made, err := p.newTarget(s)
		if err != nil {
			return fmt.Errorf("services.%s: %w", name, err)
		}
		next.targets[name] = made
	}
	if p.o.Revocations != nil {
		for _, s := range services.ByName {
			p.o.Revocations.Add(s.Revocations()...)
		}
	}
	if old := p.services.Swap(next); old != nil {
		old.closeIdle()
	}
	return nil
}

func (r *running) closeIdle() {
	for _, t := range r.targets {
		if transport, isTransport := t.proxy.Transport.(*followTransport); isTransport {
			transport.CloseIdleConnections()
		}
	}
}

// Services are those that are served now.
func (p *Proxy) Services() *Services { return p.services.Load().file }

// ForHost returns the service that answers at the root of a host name; empty: none.
func (p *Proxy) ForHost(host string) string {
	host = strings.ToLower(host)
	name, _, _ := strings.Cut(host, ":")
	for _, s := range p.services.Load().file.ByName {
		if slices.Contains(s.Hosts, host) || slices.Contains(s.Hosts, name) {
			return s.Name
		}
	}
	return ""
}

// DefaultService is the one that answers at names that are no other's; empty: none.
func (p *Proxy) DefaultService() string {
	for _, s := range p.services.Load().file.ByName {
		if s.Default {
			return s.Name
		}
	}
	return ""
}

func (p *Proxy) newTarget(s *Service) (*target, error) {
	transport, err := s.newTransport(p.o)
	if err != nil {
		return nil, err
	}
	t := &target{Service: s}
	if s.Concurrency > 0 {
		t.slots = make(chan struct{}, s.Concurrency)
	}
	if s.Rate.Requests > 0 {
		t.rate = newLimiter(s.Rate)
	}
	t.proxy = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      &followTransport{transport},
		ModifyResponse: modifyResponse,
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { callOf(r).failure = err },
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		BufferPool:     buffers{},
	}
	return t, nil
}

func newLimiter(r apikey.Rate) *rate.Limiter {
	return rate.NewLimiter(rate.Every(r.Per/time.Duration(r.Requests)), r.Requests)
}

// call is one call of a service.
type call struct {
	service *Service
	callers Callers
	mount   string // what precedes the service's paths: /s/NAME, or nothing at a host of its own
	path    rule.Path
	query   string // raw, without credentials of ours
	caller  Caller
	out     outgoing
	failure error
	event   Event
	cancel  context.CancelCauseFunc
}

type callKey struct{}

func callOf(r *http.Request) *call {
	c, _ := r.Context().Value(callKey{}).(*call)
	return c
}

// Serve answers a call of a service: at /s/NAME, or at the root of a host of its own. An
// error is returned where nothing was answered.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, service string, atRoot bool) (err error) {
	c := &call{callers: p.o.Callers, event: Event{At: p.o.Now(), Service: service, Method: r.Method}}
	if !atRoot {
		c.mount = "/s/" + service
	}
	if s := p.services.Load().file.ByName[service]; atRoot && s != nil && s.Accepts("magic") && r.URL.Path == magicPath && p.o.Callers.Magic != nil {
		return p.serveMagic(w, r, s)
	}
	rec := &recorder{ResponseWriter: w, call: c, control: http.NewResponseController(w)}
	defer func() { err = rec.answerInWords(err) }()
	defer func() { p.finish(r.Context(), c, rec, err) }() // also when ReverseProxy panics because the upstream broke off
	defer rec.explain(&err)
	t, err := p.prepare(c, r, service)
	if err != nil {
		return err
	}
	return p.forward(t, c, rec, r)
}

// finish writes the event.
func (p *Proxy) finish(ctx context.Context, c *call, rec *recorder, err error) {
	e := &c.event
	e.Status, e.Sent, e.Spent, e.Caller = rec.status, rec.bytes, p.o.Now().Sub(e.At), c.caller
	e.Query = queryNames(c.query)
	p.o.Callers.withhold(e)
	if rec.body != nil {
		e.Received = rec.body.read.Load()
	}
	if refusal, found := errors.AsType[*Refusal](err); found {
		e.Kind, e.Status, e.Detail = refusal.Problem.Kind, refusal.Problem.StatusCode(), refusal.reason()
	}
	p.o.Event(ctx, *e)
}

// prepare decides whether the call may be made, and counts it towards the rates.
func (p *Proxy) prepare(c *call, r *http.Request, service string) (*target, error) {
	address := p.o.Address(r)
	t, known := p.services.Load().targets[service]
	if !known && p.o.Callers.Lockbox != nil {
		return nil, inWords(unknownService, nil, http.StatusNotFound, "Invalid service_name "+service)
	}
	if !known {
		if p.o.Callers.Valid(r, address) {
			return nil, refuse(unknownService, nil)
		}
		return nil, refuse(noCredential, ErrNoCredential)
	}
	c.service = t.Service
	caller, err := p.o.Callers.identify(r, t.Service, address)
	if err != nil {
		return nil, refusal(err)
	}
	c.caller = caller
	if len(t.Networks) > 0 && !slices.ContainsFunc(t.Networks, func(n netip.Prefix) bool { return n.Contains(address) }) {
		return nil, refuse(addressNotAllowed, ErrNetwork)
	}
	if err := c.examine(r); err != nil {
		return nil, err
	}
	if t.MaxRequestBytes > 0 && r.ContentLength > t.MaxRequestBytes {
		return nil, refuse(bodyTooLarge, nil)
	}
	return t, p.limit(t, caller)
}

// examine reads the path once; what was read is both matched and sent.
func (c *call) examine(r *http.Request) error {
	s := c.service
	c.query = c.callers.cutOurs(r.URL.RawQuery)
	rawPath, err := c.rawPath(r)
	if err != nil {
		return refuse(pathNotCanonical(err), err)
	}
	rest, below := strings.CutPrefix(rawPath, s.StripPrefix)
	if !below || rest != "" && rest[0] != '/' {
		return refuse(ruleRefused, errors.New("outside of strip_prefix"))
	}
	if rest == "" {
		rest = "/"
	}
	scoped := s.Scoped() || len(c.caller.Sets) > 0
	paths := s.Paths
	paths.Unscoped = !scoped
	path, err := rule.Examine(rest, paths)
	if err != nil {
		return refuse(pathNotCanonical(err), err)
	}
	c.path, c.event.Path = path, path.String()
	if scoped && rule.OverridesMethod(r.URL.RawQuery) {
		return refuse(ruleRefused, errors.New("the query asks for another method"))
	}
	return c.allowed(r.Method, path, c.query)
}

// rawPath is the path below the mount, byte for byte as it came: url.URL would encode some
// characters anew.
func (c *call) rawPath(r *http.Request) (string, error) {
	whole, _, err := rule.SplitTarget(r.RequestURI, r.Host)
	if err != nil || c.mount == "" {
		return whole, err
	}
	_, rest, found := strings.Cut(whole, c.mount) // an API key may precede it
	if !found || rest != "" && rest[0] != '/' {
		return "", rule.ErrTarget
	}
	return rest, nil
}

// allowed looks the call up in the service's rules and in the caller's: each set must
// allow it.
func (c *call) allowed(method string, path rule.Path, query string) error {
	asked := rule.Call{Method: method, Path: path, Query: query}
	sets := c.caller.Sets
	switch {
	case len(c.service.Rules.Allow) > 0:
		sets = append([]rule.Set{c.service.Rules}, sets...)
	case len(c.service.Rules.Deny) > 0:
		everything := rule.Set{Allow: []rule.Rule{anything}, Deny: c.service.Rules.Deny}
		sets = append([]rule.Set{everything}, sets...)
	case len(sets) == 0:
		if strings.EqualFold(method, http.MethodConnect) || strings.EqualFold(method, http.MethodTrace) {
			return refuse(ruleRefused, errors.New("method"))
		}
		return nil
	}
	for _, set := range sets {
		decision := set.Decide(asked)
		c.event.Rule = decision.Rule
		if !decision.Allowed {
			if c.caller.Kind == "magic" {
				return inWords(ruleRefused, nil, http.StatusUnauthorized, "Disallowed by API proxy")
			}
			return refuse(ruleProblem(decision, method, path), nil)
		}
	}
	return nil
}

var anything = mustRule("* .*")

func mustRule(text string) rule.Rule {
	parsed, err := rule.Parse(text)
	if err != nil {
		return rule.Rule{} // unreachable; a rule that fits nothing
	}
	return parsed
}

// limit takes the call from the rates of the caller and, if those allow it, of the service:
// a caller who is refused takes nothing from the others.
func (p *Proxy) limit(t *target, caller Caller) error {
	now := p.o.Now()
	for id, limit := range caller.Rates {
		if limit.Requests == 0 {
			continue
		}
		if wait := waitFor(p.limiter(id, limit), now); wait > 0 {
			return tooMany(wait)
		}
	}
	if t.rate != nil {
		if wait := waitFor(t.rate, now); wait > 0 {
			return tooMany(wait)
		}
	}
	return nil
}

func (p *Proxy) limiter(id string, limit apikey.Rate) *rate.Limiter {
	if known, found := p.limits.Get(id); found {
		return known
	}
	limiter := newLimiter(limit)
	if known, found, _ := p.limits.PeekOrAdd(id, limiter); found {
		return known
	}
	return limiter
}

// maxLimits is the number of callers whose calls are counted; the one not seen for longest
// is forgotten first.
const maxLimits = 1 << 16

// waitFor takes a call from a rate, or returns how long the caller has to wait.
func waitFor(limiter *rate.Limiter, now time.Time) time.Duration {
	reserved := limiter.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// forward makes the call and answers.
func (p *Proxy) forward(t *target, c *call, rec *recorder, r *http.Request) error {
	if t.slots != nil {
		select {
		case t.slots <- struct{}{}:
			defer func() { <-t.slots }()
		default:
			return tooMany(time.Second)
		}
	}
	c.out = outgoing{header: http.Header{}, path: c.path.Raw(), query: c.query}
	if err := c.inject(); err != nil {
		return p.noSecret(c, err)
	}
	rec.begin(r.ProtoMajor)
	defer rec.end()
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), callKey{}, c))
	defer cancel(nil)
	c.cancel = cancel
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		rec.body = c.newRequestBody(r, rec.control)
		r.Body = rec.body
	}
	t.proxy.ServeHTTP(rec, r)
	if c.failure == nil {
		return nil
	}
	if rec.body != nil && rec.body.tooLarge.Load() {
		return refuse(bodyTooLarge, nil)
	}
	return p.failed(c, cmp.Or(idleCause(ctx), c.failure))
}

// inject adds the service's credential, or the one that the caller's token carries.
func (c *call) inject() error {
	switch {
	case c.caller.Kind == "magic":
		return person{}.put(&c.out, c.caller.Secret)
	case c.service.Credential != nil:
		return c.service.Credential.put(&c.out, c.caller.Secret)
	}
	return nil
}

func (p *Proxy) noSecret(c *call, err error) error {
	if errors.Is(err, errNoPerson) {
		return refuse(noPersonToken, err)
	}
	p.o.Log.Error("a service's credential cannot be read", "service", c.service.Name, "cause", err)
	return refuse(credentialMissing, err)
}

// failed turns a failure before the answer began into a problem.
func (p *Proxy) failed(c *call, err error) error {
	if errors.Is(err, context.Canceled) {
		return refuse(upstreamReset, err) // the caller has gone
	}
	p.o.Log.Warn("a service does not answer", "service", c.service.Name, "cause", cause(err))
	switch {
	case errors.Is(err, ErrAddress):
		return refuse(upstreamAddress, err)
	case errors.Is(err, errIdle), isTimeout(err):
		return refuse(upstreamTimeout, err)
	case errors.Is(err, syscall.ECONNREFUSED), isLookup(err):
		return refuse(upstreamRefused, err)
	case isTLS(err):
		return refuse(upstreamTLS, err)
	}
	return refuse(upstreamReset, err)
}

// cause is an error without the address of the call, which may hold a credential.
func cause(err error) error {
	if wrapped, found := errors.AsType[*url.Error](err); found {
		return wrapped.Err
	}
	return err
}

func isTimeout(err error) bool {
	timeout, found := errors.AsType[net.Error](err)
	return found && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func isLookup(err error) bool {
	_, found := errors.AsType[*net.DNSError](err)
	return found
}

func isTLS(err error) bool {
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	return record || alert || verification || unknown
}

// rewrite makes the request that goes out.
func rewrite(pr *httputil.ProxyRequest) {
	c, out := callOf(pr.In), pr.Out
	websocket := c.isWebSocket(pr.In)
	c.cleanRequest(out.Header)
	maps.Copy(out.Header, c.out.header)
	if websocket {
		out.Header["Connection"], out.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	}
	out.URL = c.service.url(c.out.path, c.out.query, pr.In.URL.ForceQuery)
	out.Host = c.service.Base.Host
	out.Trailer = nil
	if body, has := pr.In.Body.(*requestBody); has {
		out.Trailer = body.announce(pr.In.Trailer)
	}
}

// isWebSocket reports whether the request becomes a websocket.
func (c *call) isWebSocket(r *http.Request) bool {
	return c.service.WebSocket && r.ProtoMajor == 1 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// url is the address of a call, with path and query byte for byte. Opaque is sent as it
// is, but for one that begins with two slashes: to net/http that names a host, so the host
// is put before it. With a proxy for plain HTTP the whole address is the target.
func (s *Service) url(path, query string, forceQuery bool) *url.URL {
	path = s.Base.EscapedPath() + path
	u := &url.URL{Scheme: s.Base.Scheme, Host: s.Base.Host, Opaque: path, RawQuery: query, ForceQuery: forceQuery && query == ""}
	if strings.HasPrefix(path, "//") || s.Proxy != "" && s.Base.Scheme == "http" {
		u.Opaque = "//" + s.Base.Host + path
	}
	return u
}

func modifyResponse(answer *http.Response) error {
	c := callOf(answer.Request)
	if answer.StatusCode == http.StatusSwitchingProtocols {
		if answer.Request.Header.Get("Upgrade") == "" {
			return errors.New("the upstream switches protocols unasked")
		}
		c.cleanAnswer(answer.Header)
		return nil
	}
	c.rewriteLocation(answer.Header)
	c.cleanAnswer(answer.Header)
	answer.Body = c.newAnswerBody(answer)
	return nil
}

// buffers are those that bodies are copied through.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte {
	buffer, _ := bufferPool.Get().(*[32 << 10]byte)
	return buffer[:]
}

func (buffers) Put(b []byte) {
	if len(b) == 32<<10 {
		bufferPool.Put((*[32 << 10]byte)(b))
	}
}

// followTransport follows redirects where the service says so.
type followTransport struct{ *http.Transport }

// maxRedirects is how many redirects of one call are followed.
const maxRedirects = 10

func (t *followTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	c := callOf(r)
	if err != nil || !c.service.Redirects || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return answer, err
	}
	for range maxRedirects {
		next := c.next(r, answer)
		if next == nil {
			return answer, nil
		}
		_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
		_ = answer.Body.Close()
		r = next
		if answer, err = t.Transport.RoundTrip(r); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// next is the request that follows a redirect within the base URL; nil: the caller gets
// the redirect. The new path is examined and must be allowed like the first.
func (c *call) next(r *http.Request, answer *http.Response) *http.Request {
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	base := c.service.Base
	current := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path + c.path.String(), RawPath: base.EscapedPath() + c.path.Raw()}
	to, err := current.Parse(answer.Header.Get("Location"))
	if err != nil || to.Scheme != base.Scheme || !strings.EqualFold(to.Host, base.Host) || to.User != nil {
		return nil
	}
	rest, below := strings.CutPrefix(to.EscapedPath(), base.EscapedPath())
	if !below || !strings.HasPrefix(rest, "/") {
		return nil
	}
	paths := c.service.Paths
	paths.Unscoped = !c.service.Scoped() && len(c.caller.Sets) == 0
	path, err := rule.Examine(rest, paths)
	if err != nil || c.allowed(r.Method, path, to.RawQuery) != nil {
		return nil
	}
	out := outgoing{header: http.Header{}, path: path.Raw(), query: to.RawQuery}
	if c.service.Credential != nil && c.service.Credential.put(&out, c.caller.Secret) != nil {
		return nil
	}
	c.path = path
	next := r.Clone(r.Context())
	next.URL = c.service.url(out.path, out.query, false)
	return next
}
