package token2go

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"
)

const mostPaste = 1 << 20 // bytes

// readPastes judges what is pasted until something ends the wait. Texts come whole or
// in pieces, since a terminal breaks lines where it likes.
func readPastes(ctx context.Context, paste func(context.Context) (string, error), c *call, w *wait) {
	var p pasted
	for ctx.Err() == nil {
		piece, err := paste(ctx)
		if ctx.Err() != nil {
			return
		}
		for line := range strings.Lines(piece) {
			p.add(line, c, w)
		}
		if piece == "" {
			p.add("", c, w)
		}
		if err != nil {
			p.giveUp(w)
			return
		}
	}
}

// pasted is what has come so far: each text that may be under way, without white space.
// There can be more than one, because a line that looks like a beginning may also go on
// with what is there.
type pasted struct {
	texts []string
	err   error // why they are no answer yet
}

// add takes another line. An empty one says that the text before has ended.
func (p *pasted) add(line string, c *call, w *wait) {
	line = squeezed(line)
	if line == "" {
		p.giveUp(w)
		return
	}
	texts := p.texts
	if len(texts) == 0 || len(texts) < 8 && begins(line) {
		texts = append(texts, "")
	}
	p.texts = nil
	for _, text := range texts {
		text += line
		v, whole, err := c.judgePaste(text)
		switch {
		case err == nil:
			w.end(v)
			return
		case whole || len(text) > mostPaste:
			w.warn(err)
		default:
			p.texts, p.err = append(p.texts, text), err
		}
	}
}

// giveUp tells why what has come is no answer.
func (p *pasted) giveUp(w *wait) {
	if len(p.texts) > 0 {
		w.warn(p.err)
	}
	p.texts = nil
}

// squeezed takes away white space, and the quotes that programs put around a text.
func squeezed(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("\"'<>", r) {
			return -1
		}
		return r
	}, line)
}

// begins reports whether a line is the first of an answer: a JWE's protected header
// begins with {", which is eyJ.
func begins(line string) bool { return strings.HasPrefix(line, "eyJ") || isAddress(line) }

func isAddress(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "127.0.0.1:")
}

// judgePaste judges a sealed text, or the address that a browser could not reach. With
// an error, whole says that no further line can make an answer of it.
func (c *call) judgePaste(text string) (v verdict, whole bool, err error) {
	switch {
	case isAddress(text):
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
		return v, isWhole(fields.Get("response")), err
	case !strings.HasPrefix(text, "eyJ"):
		return v, true, unaccepted("what was pasted is neither a sealed text nor the address of one")
	case c.format != JWE:
		return v, true, unaccepted("it is a sealed text in the format jwe, and triple was asked for")
	}
	v, err = c.openJWE(text, c.began)
	return v, isWhole(text), err
}

// isWhole reports whether a compact JWE has all of its last part, a tag of 16 bytes.
func isWhole(text string) bool {
	const tag = 22 // in base64url
	return strings.Count(text, ".") > 4 || strings.Count(text, ".") == 4 && len(text)-strings.LastIndex(text, ".")-1 >= tag
}
