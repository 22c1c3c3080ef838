package token2go

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
)

const (
	maxPaste = 1 << 20 // bytes
	tagSize  = 22      // letters of base64url in the last part of a compact JWE

	// quiet is how long nothing comes when a paste has ended. Terminals pass on lines.
	quiet = 2 * time.Second
)

var errNoAnswer = errors.New("what was pasted is neither a sealed text nor the address of one")

// readPastes judges what is pasted until something ends the wait. Texts come whole or
// in lines, which terminals break at any column.
func readPastes(ctx context.Context, paste func(context.Context) (string, error), c *call, w *wait) {
	p := pasted{call: c, wait: w}
	for ctx.Err() == nil {
		piece, err := paste(ctx)
		if ctx.Err() != nil {
			return
		}
		p.addPiece(piece)
		if err != nil {
			p.giveUp()
			p.flush()
			return
		}
	}
}

// pasted is what has come so far: each text that may be under way. There can be more
// than one, because a line that looks like a beginning may also continue what is there.
type pasted struct {
	call *call
	wait *wait

	texts  []string
	err    error     // why they are no answer yet
	fault  error     // of this piece: a warning to come, unless the piece holds the answer
	warned time.Time // when the last line came after which the person was warned
}

// addPiece takes what came at once: a line, or many. It warns once, and not at all where
// the answer is in it.
func (p *pasted) addPiece(piece string) {
	for line := range strings.Lines(piece) {
		if p.add(line) {
			return
		}
	}
	if piece == "" {
		p.add("")
	}
	p.flush()
}

// add takes another line, and reports whether the answer has come. An empty line says
// that the text before has ended.
func (p *pasted) add(line string) (answered bool) {
	line, begins := clean(line)
	if line == "" {
		p.giveUp()
		return false
	}
	texts := p.texts
	if len(texts) == 0 || len(texts) < 8 && begins {
		texts = append(texts, "")
	}
	p.texts = nil
	for _, text := range texts {
		text += line
		v, whole, err := p.call.judgePaste(text)
		switch {
		case err == nil:
			p.wait.end(v)
			return true
		case whole || len(text) > maxPaste:
			p.note(err)
		default:
			p.texts, p.err = append(p.texts, text), err
		}
	}
	return false
}

// giveUp forgets what has come, which is no answer.
func (p *pasted) giveUp() {
	if len(p.texts) > 0 {
		p.note(p.err)
	}
	p.texts = nil
}

// note keeps the fault of which the person is warned. That of an answer comes before that
// of any other line.
func (p *pasted) note(err error) {
	if p.fault == nil || errors.Is(p.fault, errNoAnswer) {
		p.fault = err
	}
}

// flush warns of what was no answer. Of other lines that follow each other it warns once.
func (p *pasted) flush() {
	if p.fault == nil {
		return
	}
	now := p.call.now()
	if now.Sub(p.warned) > quiet || !errors.Is(p.fault, errNoAnswer) {
		p.wait.warn(p.fault)
	}
	p.fault, p.warned = nil, now
}

// clean takes from a line what programs put around and into a text: labels, quotes,
// white space and invisible characters. It reports whether an answer begins in it.
func clean(line string) (text string, begins bool) {
	line = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r): // a byte order mark, zero-width spaces, soft hyphens
			return -1
		case unicode.In(r, unicode.Pi, unicode.Pf) || strings.ContainsRune("\"'`<>()[]„‚", r):
			return ' '
		}
		return r
	}, line)
	if at := beginning(line); at >= 0 {
		line, begins = line[at:], true
	}
	return strings.Join(strings.Fields(line), ""), begins
}

// beginning finds where a sealed text or an address begins; -1 for nowhere. A JWE's
// protected header begins with {", which is eyJ.
func beginning(line string) int {
	first := -1
	for _, start := range []string{"http://", "https://", "127.0.0.1:"} {
		if at := strings.Index(line, start); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	for at := 0; ; at++ {
		next := strings.Index(line[at:], "eyJ")
		if next < 0 || first >= 0 && at+next > first { // what follows is in the address
			return first
		}
		if at += next; at == 0 || !isOfJWE(line[at-1]) {
			return at
		}
	}
}

// isOfJWE reports whether a compact JWE can contain the letter.
func isOfJWE(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.'
}

func isAddress(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "127.0.0.1:")
}

// judgePaste judges a sealed text, or the address that a browser could not reach. With
// an error, whole says that no further line can make an answer of it.
func (c *call) judgePaste(text string) (v verdict, whole bool, err error) {
	switch {
	case isAddress(text):
		return c.judgeAddress(text)
	case !strings.HasPrefix(text, "eyJ"):
		return v, true, unaccepted("%w", errNoAnswer)
	case c.format != JWE:
		return v, true, unaccepted("it is a sealed text in the format jwe, and triple was asked for")
	}
	sealed, whole := cutJWE(text)
	v, err = c.openJWE(sealed, c.began)
	return v, whole, err
}

func (c *call) judgeAddress(text string) (v verdict, whole bool, err error) {
	_, query, _ := strings.Cut(text, "?")
	query, _, _ = strings.Cut(query, "#")
	fields, err := url.ParseQuery(query)
	if err != nil {
		return v, false, unaccepted("the address that was pasted cannot be read")
	}
	v, err = c.judge(fields, c.began)
	if errors.Is(err, errStray) {
		err = unaccepted("the address that was pasted is that of another request")
		return v, len(fields.Get("state")) >= len(c.state), err
	}
	_, whole = cutJWE(fields.Get("response"))
	return v, whole, err
}

// cutJWE takes away what comes after a compact JWE, and reports whether all of its last
// part, a tag of 16 bytes, is there.
func cutJWE(text string) (sealed string, whole bool) {
	const separators = 4
	start := 0
	for range separators {
		at := strings.IndexByte(text[start:], '.')
		if at < 0 {
			return text, false
		}
		start += at + 1
	}
	if len(text)-start < tagSize {
		return text, false
	}
	return text[:start+tagSize], true
}
