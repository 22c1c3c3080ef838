package magic

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/secret"
)

// Request is what a new token is to be.
type Request struct {
	Secret  secret.Value
	Allowed []string // rules; nil: the scopes count
	Scopes  []string // names of rules that the service has; nil: none
}

// Texts of the answers with the status 400, as magic-api-proxy has them.
var (
	errNoSecret     = errors.New("We need a token for the API behind, in the 'token' field") //nolint:staticcheck // callers compare it
	errNotJSON      = errors.New("Request must be json")                                     //nolint:staticcheck // callers compare it
	errNoRules      = errors.New("need one of allowed (spelling out the allowed requests) OR scopes (naming a scope configured on the proxy)")
	errBoth         = errors.New("allowed (spelling out the allowed requests) OR scope/scopes (naming one or more scopes configured on the proxy), not both")
	errScopeNoText  = errors.New("scope must be a string")
	errAllowedList  = errors.New("allowed must be a list of ")
	errAllowedTexts = errors.New("allowed must be a list of strings")
)

// ParseRequest reads the JSON body of a request to mint. Scopes are the names that the
// service has, in the order in which a refusal lists them. The error's text is the answer.
//
// Rules are compiled, so that none is minted that fails when it is used.
func ParseRequest(body []byte, scopes []string) (Request, error) {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil || len(object) == 0 {
		var list []any
		if json.Unmarshal(body, &list) == nil && len(list) > 0 {
			return Request{}, errNoSecret
		}
		return Request{}, errNotJSON
	}
	text, _ := object["token"].(string)
	if text == "" {
		return Request{}, errNoSecret
	}
	r := Request{Secret: secret.New(text)}
	_, hasScope := object["scope"]
	_, hasScopes := object["scopes"]
	allowed, hasAllowed := object["allowed"]
	var err error
	switch {
	case (hasScope || hasScopes) && hasAllowed:
		err = errBoth
	case hasScope || hasScopes:
		r.Scopes, err = namedScopes(object, scopes)
	case hasAllowed:
		r.Allowed, err = parseAllowed(allowed)
	default:
		err = errNoRules
	}
	return r, err
}

func namedScopes(object map[string]any, known []string) ([]string, error) {
	named := []any{}
	if one, found := object["scope"]; found {
		named = append(named, one)
	}
	if several, found := object["scopes"]; found {
		list, isList := several.([]any)
		if !isList {
			list = []any{several}
		}
		named = append(named, list...)
	}
	scopes := []string{}
	for _, entry := range named {
		scope, isText := entry.(string)
		if !isText {
			return nil, errScopeNoText
		}
		if !slices.Contains(known, scope) {
			return nil, errors.New("scope must be configured on the proxy (valid: " + strings.Join(known, " ") + ")")
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

func parseAllowed(value any) ([]string, error) {
	list, isList := value.([]any)
	if !isList {
		return nil, errAllowedList
	}
	allowed := []string{}
	for _, entry := range list {
		text, isText := entry.(string)
		if !isText {
			return nil, errAllowedTexts
		}
		allowed = append(allowed, text)
	}
	for _, text := range allowed {
		if _, err := parseRule(text); err != nil {
			return nil, err
		}
	}
	return allowed, nil
}

// Mint makes a token that ends after ttl.
func (k *Keys) Mint(r Request, ttl time.Duration) (secret.Value, error) {
	if ttl < time.Second {
		return secret.Value{}, errors.New("a token must be good for at least a second")
	}
	sealed, err := k.sealed(r.Secret)
	if err != nil {
		return secret.Value{}, err
	}
	now := k.o.Now()
	payload, err := json.Marshal(claims{Issued: now.Unix(), Expires: now.Add(ttl).Unix(), Sealed: sealed, Allowed: r.Allowed, Scopes: r.Scopes})
	if err != nil {
		return secret.Value{}, err
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return secret.Value{}, err
	}
	text, err := signed.CompactSerialize()
	return secret.New(text), err
}
