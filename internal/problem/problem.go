// Package problem holds an error that the caller may read, as an RFC 9457 document.
//
// A Problem never contains an internal cause. package web logs that when it answers.
package problem

import (
	"encoding/json"
	"net/http"
)

// MediaType is the content type of an encoded Problem (RFC 9457, section 3).
const MediaType = "application/problem+json"

// Kind names a sort of problem; programs decide by it. The set of kinds is part of
// the public contract: gateway.yaml and api.yaml list those of their listener.
type Kind string

// The kinds, each with the HTTP status that goes with it in table. First those of the
// gateway listener and of both, then those of the API listener alone.
const (
	TokenNotFound    Kind = "token_not_found"
	TokenUnusable    Kind = "token_unusable"
	TokenExpiring    Kind = "token_expiring"
	InvalidRequest   Kind = "invalid_request"
	TargetNotAllowed Kind = "target_not_allowed"
	AccessDenied     Kind = "access_denied"
	CrossSite        Kind = "cross_site"
	AnswerRefused    Kind = "answer_refused"
	PrefetchRefused  Kind = "prefetch_refused"
	PeerNotAllowed   Kind = "peer_not_allowed"
	HostNotAllowed   Kind = "host_not_allowed"
	NotFound         Kind = "not_found"
	MethodNotAllowed Kind = "method_not_allowed"
	BodyTooLarge     Kind = "body_too_large"
	HeadersTooLarge  Kind = "headers_too_large"
	InternalError    Kind = "internal_error"

	NoCredential          Kind = "no_credential"
	AmbiguousCredential   Kind = "ambiguous_credential"
	InvalidKey            Kind = "invalid_key"
	TooManyFailures       Kind = "too_many_failures"
	AddressNotAllowed     Kind = "address_not_allowed"
	PageNotAllowed        Kind = "page_not_allowed"
	NotInURL              Kind = "not_in_url"
	ApplicationNotAllowed Kind = "application_not_allowed"
	RateExceeded          Kind = "rate_exceeded"
	CallerInvalid         Kind = "caller_invalid"
	GrantMissing          Kind = "grant_missing"
	DatabaseUnavailable   Kind = "database_unavailable"

	InvalidPass       Kind = "invalid_pass"
	UnknownService    Kind = "unknown_service"
	PathNotCanonical  Kind = "path_not_canonical"
	RuleRefused       Kind = "rule"
	TooManyCalls      Kind = "too_many_calls"
	CredentialMissing Kind = "credential_missing"
	UpstreamRefused   Kind = "upstream_refused"
	UpstreamReset     Kind = "upstream_reset"
	UpstreamTLS       Kind = "upstream_tls"
	UpstreamAddress   Kind = "upstream_address"
	UpstreamTimeout   Kind = "upstream_timeout"

	IdentityNotProven   Kind = "identity_not_proven"
	ProviderUnavailable Kind = "provider_unavailable"
	PersonDisabled      Kind = "person_disabled"
	PolicyRefused       Kind = "policy_refused"
	AlreadyDone         Kind = "already_done"
	NotAdministrator    Kind = "not_administrator"
)

var table = map[Kind]struct {
	status int
	title  string
}{
	TokenNotFound:    {http.StatusUnauthorized, "No token in the request"},
	TokenUnusable:    {http.StatusUnauthorized, "The token in the request cannot be used"},
	TokenExpiring:    {http.StatusUnauthorized, "The token expires too soon"},
	InvalidRequest:   {http.StatusBadRequest, "The request is not valid"},
	TargetNotAllowed: {http.StatusForbidden, "The target is not allowed"},
	AccessDenied:     {http.StatusForbidden, "The person said no"},
	CrossSite:        {http.StatusForbidden, "The request comes from another site or a frame"},
	AnswerRefused:    {http.StatusForbidden, "The answer does not match the question"},
	PrefetchRefused:  {http.StatusServiceUnavailable, "No token is handed over to a prefetch"},
	PeerNotAllowed:   {http.StatusForbidden, "This address may not use Token2go"},
	HostNotAllowed:   {http.StatusMisdirectedRequest, "This host name is not served here"},
	NotFound:         {http.StatusNotFound, "Page not found"},
	MethodNotAllowed: {http.StatusMethodNotAllowed, "The method is not allowed here"},
	BodyTooLarge:     {http.StatusRequestEntityTooLarge, "The request body is too large"},
	HeadersTooLarge:  {http.StatusRequestHeaderFieldsTooLarge, "The request headers are too large"},
	InternalError:    {http.StatusInternalServerError, "Something went wrong inside Token2go"},

	NoCredential:          {http.StatusUnauthorized, "No API key in the request"},
	AmbiguousCredential:   {http.StatusUnauthorized, "Two different API keys in the request"},
	InvalidKey:            {http.StatusUnauthorized, "The API key is not valid"},
	TooManyFailures:       {http.StatusTooManyRequests, "Too many invalid API keys from this address"},
	AddressNotAllowed:     {http.StatusForbidden, "Not allowed from this address"},
	PageNotAllowed:        {http.StatusForbidden, "The API key may not be used by this web page"},
	NotInURL:              {http.StatusForbidden, "The API key may not be sent in a URL"},
	ApplicationNotAllowed: {http.StatusForbidden, "The API key is not for this application"},
	RateExceeded:          {http.StatusTooManyRequests, "The API key is used too often"},
	CallerInvalid:         {http.StatusUnauthorized, "The API key of the caller is missing or not valid"},
	GrantMissing:          {http.StatusForbidden, "The API key lacks a grant"},
	DatabaseUnavailable:   {http.StatusServiceUnavailable, "The database cannot be asked"},

	InvalidPass:       {http.StatusUnauthorized, "The pass is not valid"},
	UnknownService:    {http.StatusNotFound, "There is no such service"},
	PathNotCanonical:  {http.StatusBadRequest, "The path is not canonical"},
	RuleRefused:       {http.StatusForbidden, "The rules do not allow this call"},
	TooManyCalls:      {http.StatusTooManyRequests, "The service is called too often"},
	CredentialMissing: {http.StatusBadGateway, "The service's credential is missing"},
	UpstreamRefused:   {http.StatusBadGateway, "The service cannot be reached"},
	UpstreamReset:     {http.StatusBadGateway, "The service broke off"},
	UpstreamTLS:       {http.StatusBadGateway, "The service's TLS is not valid"},
	UpstreamAddress:   {http.StatusBadGateway, "The service's address may not be called"},
	UpstreamTimeout:   {http.StatusGatewayTimeout, "The service did not answer in time"},

	IdentityNotProven:   {http.StatusForbidden, "It is not proven who you are"},
	ProviderUnavailable: {http.StatusServiceUnavailable, "The identity provider does not answer"},
	PersonDisabled:      {http.StatusForbidden, "Your account is disabled here"},
	PolicyRefused:       {http.StatusForbidden, "The operator does not allow this"},
	AlreadyDone:         {http.StatusConflict, "This was done before"},
	NotAdministrator:    {http.StatusForbidden, "For administrators only"},
}

// Kinds lists every kind, in no particular order.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(table))
	for kind := range table {
		kinds = append(kinds, kind)
	}
	return kinds
}

// Status is the HTTP status of answers of this kind, 500 for a kind that is not known.
func (k Kind) Status() int {
	if row, known := table[k]; known {
		return row.status
	}
	return http.StatusInternalServerError
}

// Title is the kind in a few words, the same for every problem of the kind.
func (k Kind) Title() string {
	if row, known := table[k]; known {
		return row.title
	}
	return table[InternalError].title
}

// Problem is one refusal or failure, fit for the caller's eyes.
type Problem struct {
	Kind   Kind
	Detail string // what was wrong with this request, and what was expected
	Fix    string // what to do about it; may be empty
	Status int    // of the answer, where it is not the kind's own; 0: the kind's

	// Wanted and Arrived are header names, never values: those that were looked for
	// and those that the request held. Set where a token was not found.
	Wanted  []string
	Arrived []string
}

func (p *Problem) Error() string { return string(p.Kind) + ": " + p.Detail }

// StatusCode is the HTTP status of the answer.
func (p *Problem) StatusCode() int {
	if p.Status != 0 {
		return p.Status
	}
	return p.Kind.Status()
}

// MarshalJSON encodes the problem as RFC 9457, section 3, with the members fix,
// wanted and arrived as extensions where they are set.
func (p *Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type    string   `json:"type"`
		Kind    Kind     `json:"kind"`
		Title   string   `json:"title"`
		Status  int      `json:"status"`
		Detail  string   `json:"detail"`
		Fix     string   `json:"fix,omitempty"`
		Wanted  []string `json:"wanted,omitempty"`
		Arrived []string `json:"arrived,omitempty"`
	}{
		"urn:token2go:problem:" + string(p.Kind), p.Kind, p.Kind.Title(), p.StatusCode(),
		p.Detail, p.Fix, p.Wanted, p.Arrived,
	})
}
