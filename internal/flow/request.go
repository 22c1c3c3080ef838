package flow

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/internal/seal"
)

// Format is the shape of the envelope.
type Format string

// The formats.
const (
	FormatTriple Format = "triple" // key, nonce and payload, as token2go-server 1.0.3 answers
	FormatJWE    Format = "jwe"    // compact serialization (RFC 7516, section 7.1)
)

// Mode is how an answer reaches the client.
type Mode string

// The modes.
const (
	ModeQuery    Mode = "query"     // a redirect whose query holds the answer
	ModeFormPost Mode = "form_post" // a page that posts the answer to the target
	ModePage     Mode = "page"      // no target: the person pastes the sealed text
	modeAuto     Mode = "auto"      // query while the address stays short, else form_post
)

// Request is what a client asks for, checked.
type Request struct {
	Target Target // the zero Target in ModePage
	State  string
	Key    *seal.Key
	Format Format
	Mode   Mode          // may be modeAuto until the answer's length is known
	Client string        // the name that the program gives itself, not verified; may be empty
	MinTTL time.Duration // how long the token must still be valid, where that is known
}

// parse reads a raw query. The error is always a *Refusal; once the target is allowed,
// the Request beside it holds what was read by then.
func (ru Rules) parse(raw string) (Request, error) {
	q, err := parseQuery(raw)
	if err != nil {
		return Request{}, &Refusal{Code: InvalidRequest, Detail: err.Error()}
	}
	var request Request
	if request.Target, err = ru.target(&q); err != nil {
		return Request{}, err
	}
	state, stateFault := state(&q)
	request.State = state
	refuse := func(detail string) (Request, error) {
		return request, request.Refuse(InvalidRequest, detail)
	}
	if p, found := q.twice(paramState, paramPublicKeyType, paramPublicKey, paramFormat, paramResponseMode, paramClient, paramMinTTL); found {
		return refuse(fmt.Sprintf("`%s` is given more than once", p))
	}
	if stateFault != "" {
		return refuse(stateFault)
	}
	if err := ru.fill(&request, &q); err != nil {
		return refuse(err.Error())
	}
	return request, nil
}

// target decides where the answer to a query goes, and so where a refusal may go; the zero
// Target is for ModePage. Its own refusals go to no target.
func (ru Rules) target(q *query) (Target, error) {
	here := func(detail string) (Target, error) {
		return Target{}, &Refusal{Code: InvalidRequest, Detail: detail}
	}
	if p, found := q.twice(paramTarget, paramPort, paramPath); found {
		return here(fmt.Sprintf("`%s` is given more than once", p))
	}
	target, port, path := q.given[paramTarget], q.given[paramPort], q.given[paramPath]
	page := q.times[paramResponseMode] == 1 && q.given[paramResponseMode] == string(ModePage)
	switch {
	case page && target+port+path != "":
		return here("`responseMode=page` shows the answer to the person and takes no `target`, `port` or `path`")
	case page:
		return Target{}, nil
	case target != "" && port+path != "":
		return here("`target` and `port` with `path` are two ways to say the same; give one of them")
	case target == "" && port == "" && path != "":
		return here(q.missing(paramPort))
	case target == "" && port == "" && q.times[paramResponseMode] > 1:
		return here("`responseMode` is given more than once")
	case target == "" && port == "":
		return here(q.missing(paramTarget, paramPort) + " (or `port`, for `http://127.0.0.1:PORT`)")
	}
	t, err := ru.parseTarget(target, port, path)
	if err != nil {
		return Target{}, &Refusal{Code: InvalidRequest, Detail: err.Error(), cause: ErrTarget}
	}
	return t, nil
}

func (ru Rules) parseTarget(target, port, path string) (Target, error) {
	if target != "" {
		return parseTarget(target, ru.Targets)
	}
	return loopbackTarget(port, path)
}

// maxState is the length of the longest state, in bytes.
const maxState = 1024

// state returns the state if it is valid, and otherwise what is wrong with it.
func state(q *query) (state, fault string) {
	given := q.given[paramState]
	switch {
	case given == "":
		return "", q.missing(paramState)
	case q.times[paramState] > 1:
		return "", "`state` is given more than once"
	case len(given) > maxState:
		return "", fmt.Sprintf("`state` has %d bytes, want at most %d", len(given), maxState)
	case strings.IndexFunc(given, unicode.IsControl) >= 0:
		return "", "`state` holds a control character"
	}
	return given, ""
}

// fill reads the parameters that a refusal does not need.
func (ru Rules) fill(r *Request, q *query) (err error) {
	if r.Key, err = key(q); err != nil {
		return err
	}
	if r.Format, err = format(q, r.Key); err != nil {
		return err
	}
	if r.Mode, err = ru.mode(q, r.Format); err != nil {
		return err
	}
	if r.Client, err = client(q.given[paramClient]); err != nil {
		return err
	}
	r.MinTTL, err = minTTL(q.given[paramMinTTL])
	return err
}

func key(q *query) (*seal.Key, error) {
	for _, p := range []param{paramPublicKeyType, paramPublicKey} {
		if q.given[p] == "" {
			return nil, errors.New(q.missing(p))
		}
	}
	key, err := seal.ParseKey(seal.KeyType(q.given[paramPublicKeyType]), q.given[paramPublicKey])
	if errors.Is(err, seal.ErrKeyType) {
		return nil, fmt.Errorf("`publicKeyType`: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("`publicKey`: %w", err)
	}
	return key, nil
}

func format(q *query, key *seal.Key) (Format, error) {
	jwk := q.given[paramPublicKeyType] == string(seal.JWK)
	page := q.given[paramResponseMode] == string(ModePage)
	switch given := Format(q.given[paramFormat]); {
	case given == "" && (jwk || page):
		return FormatJWE, nil
	case given == "":
		return FormatTriple, nil
	case given != FormatTriple && given != FormatJWE:
		return "", errors.New("`format` must be `triple` or `jwe`")
	case given == FormatTriple && page:
		return "", errors.New("`responseMode=page` shows one text, so its `format` must be `jwe`")
	case given == FormatTriple && !key.RSA():
		return "", errors.New("`format=triple` needs an RSA key; leave `format` out or set it to `jwe`")
	default:
		return given, nil
	}
}

func (ru Rules) mode(q *query, format Format) (Mode, error) {
	given := Mode(q.given[paramResponseMode])
	if given == "" {
		given = modeAuto
		if format == FormatTriple {
			given = ModeQuery
		}
	}
	switch given {
	case ModeQuery, ModeFormPost, ModePage:
		if !ru.Modes.offers(given) {
			return "", fmt.Errorf("`responseMode` `%s` is not offered here", given)
		}
	case modeAuto:
		if !ru.Modes.offers(ModeQuery) && !ru.Modes.offers(ModeFormPost) {
			return "", errors.New("neither `responseMode` `query` nor `form_post` is offered here")
		}
	default:
		return "", errors.New("`responseMode` must be `query`, `form_post`, `auto` or `page`")
	}
	return given, nil
}

// maxClient is the length of the longest client name, in characters.
const maxClient = 64

// client checks the name that a program gives itself. It refuses characters that change how
// the surrounding text is shown, such as those that reverse the writing direction.
func client(name string) (string, error) {
	if utf8.RuneCountInString(name) > maxClient {
		return "", fmt.Errorf("`client` has more than %d characters", maxClient)
	}
	if strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.Contains(name, "  ") {
		return "", errors.New("`client` has a space at an end or two in a row")
	}
	for _, r := range name {
		if r != ' ' && !isShown(r) {
			return "", errors.New("`client` holds a character that is not a visible letter, digit, mark, punctuation, symbol or space")
		}
	}
	if !marksFit(name) {
		return "", fmt.Errorf("`client` has a mark on no character or more than %d on one", maxMarks)
	}
	return name, nil
}

// isShown reports whether a character is visible. Some letters, marks and symbols are not,
// such as the Hangul filler: a name of them alone would look like no name.
func isShown(r rune) bool {
	blank := r == '\u2800' || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
	return !blank && unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.P, unicode.S)
}

// maxMarks is how many marks one character may have. Words have far fewer.
const maxMarks = 6

// marksFit reports whether every mark is on a character and none has too many, which would
// cover the lines above and below.
func marksFit(name string) bool {
	left := 0
	for _, r := range name {
		switch {
		case r == ' ':
			left = 0
		case !unicode.Is(unicode.M, r):
			left = maxMarks
		case left == 0:
			return false
		default:
			left--
		}
	}
	return true
}

func minTTL(given string) (time.Duration, error) {
	if given == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(given, 10, 32)
	if err != nil || seconds > 86400 {
		return 0, errors.New("`minTTL` must be a number of seconds from 0 to 86400")
	}
	return time.Duration(seconds) * time.Second, nil
}
