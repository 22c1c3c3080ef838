package flow

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/token"
)

// Consent is when the person is asked before a token is handed over.
type Consent string

// The settings.
const (
	ConsentAuto   Consent = "auto"   // unless the person's own program opened the page
	ConsentAlways Consent = "always" // every time
	ConsentNever  Consent = "never"  // only where the answer leaves the person's machine
)

// mustAsk reports whether the person is asked. For an answer to another machine, and for
// one to paste, the person is always asked.
func (c Consent) mustAsk(r Request, h http.Header) bool {
	switch {
	case !r.Target.Loopback, c == ConsentAlways:
		return true
	case c == ConsentNever:
		return false
	default:
		return !openedByProgram(h)
	}
}

// openedByProgram reports whether a request looks as if the person's own program opened
// it: a browser reports that no site led here (Fetch Metadata, W3C), or there is no
// browser. It proves nothing, since a link in an e-mail looks the same (RFC 8252, section
// 8.6); the loopback target limits that case.
func openedByProgram(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			return only(h, "Sec-Fetch-Site", "none") &&
				only(h, "Sec-Fetch-User", "?1") &&
				only(h, "Sec-Fetch-Mode", "navigate") &&
				only(h, "Sec-Fetch-Dest", "document") &&
				len(h["Sec-Purpose"]) == 0
		}
	}
	return !anyContains(h["Accept"], "text/html") && !anyContains(h["User-Agent"], "Mozilla/")
}

func only(h http.Header, name, want string) bool {
	return len(h[name]) == 1 && h[name][0] == want
}

func anyContains(values []string, part string) bool {
	for _, value := range values {
		if strings.Contains(value, part) {
			return true
		}
	}
	return false
}

// answerTime is how long a question can be answered.
const answerTime = 10 * time.Minute

// Binding ties an answer to the question that the person saw, without the server
// keeping anything: it travels through the form and comes back with the decision.
type Binding struct {
	Fingerprint string // of the token that was shown
	Expiry      string // Unix time in seconds, decimal, until which the answer counts
	MAC         string // base64url of HMAC-SHA-256 over the question
}

func bind(r Request, found token.Found, now time.Time) Binding {
	b := Binding{
		Fingerprint: found.Fingerprint(),
		Expiry:      strconv.FormatInt(now.Add(answerTime).Unix(), 10),
	}
	b.MAC = encodeMAC(b.sum(r, found))
	return b
}

// encodeMAC encodes a sum. Encoded sums are compared, not decoded ones: a decoder ignores
// line ends and spare bits, so it would accept an edited form.
func encodeMAC(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

// status is the result of comparing an answer with its question.
type status int

const (
	valid   status = iota // it answers this question
	edited                // this server never asked that question
	renewed               // the token is not the one that was shown
	expired               // the question is too old
)

// check compares an answer with its question. The key of the MAC changes with the token, so
// the fingerprint is compared first: a wrong one leads at most to another question.
func (b Binding) check(r Request, found token.Found, now time.Time) status {
	if b.Fingerprint != found.Fingerprint() {
		if len(b.Fingerprint) != len(found.Fingerprint()) {
			return edited
		}
		return renewed
	}
	if sum := b.sum(r, found); len(sum) == 0 || !hmac.Equal([]byte(b.MAC), []byte(encodeMAC(sum))) {
		return edited
	}
	expiry, err := strconv.ParseInt(b.Expiry, 10, 64)
	if err != nil {
		return edited
	}
	if left := time.Unix(expiry, 0).Sub(now); left <= 0 || left > answerTime+time.Minute {
		return expired
	}
	return valid
}

// sum is the HMAC over all that was shown, each part preceded by its length, under a
// key derived from the token itself (HKDF, RFC 5869): every replica can make it, and
// no one without the token.
func (b Binding) sum(r Request, found token.Found) []byte {
	key, err := hkdf.Key(sha256.New, []byte(found.Secret.Reveal()), nil, "token2go consent", sha256.Size)
	if err != nil {
		return nil // HKDF refuses short keys in FIPS 140 mode; check refuses an empty sum
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{
		r.Target.String(), r.Key.ID(), r.State, string(r.Format), string(r.Mode), r.Client,
		b.Fingerprint, b.Expiry,
	} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// choiceCount is how many words the second step offers: a blind choice fails 11 times
// in 12, and then the request is refused.
const choiceCount = 12

// choices returns one of the client's four words among others that the client does not
// show, in an order that follows from the question's HMAC: the same on every replica,
// and unknown to everyone who does not hold the token.
func (b Binding) choices(r Request, found token.Found, words [4]string) []string {
	var seed [32]byte
	copy(seed[:], b.sum(r, found))
	random := rand.New(rand.NewChaCha8(seed)) //nolint:gosec // ChaCha8 with a secret seed
	choices := []string{words[random.IntN(len(words))]}
	for len(choices) < choiceCount {
		word := seal.Word(random.IntN(seal.WordCount))
		if !slices.Contains(words[:], word) && !slices.Contains(choices, word) {
			choices = append(choices, word)
		}
	}
	random.Shuffle(len(choices), func(i, j int) { choices[i], choices[j] = choices[j], choices[i] })
	return choices
}
