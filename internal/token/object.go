package token

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// This file parses JSON without encoding/json, because every hand-over reads a token's
// claims: encoding/json takes several times as long, which is a fifth of the time of /token.

// eachMember calls take for each member of a JSON object (RFC 8259), in order, with the
// value unparsed. It reports whether text is one object and nothing else; take may have
// been called even if it is not.
func eachMember(text string, take func(name, value string)) bool {
	s := scanner{text: text}
	ok := s.list('{', '}', func() bool {
		name, ok := s.name()
		if !ok {
			return false
		}
		value, ok := s.raw()
		if ok {
			take(name, value)
		}
		return ok
	})
	s.space()
	return ok && s.at == len(text)
}

// scanner reads JSON from left to right. Its methods report whether it is well formed
// as far as they have read.
type scanner struct {
	text  string
	at    int
	depth int
}

// maxDepth is how deep lists and objects may be nested. All our parsers of claims have the
// same limit; some recurse on a small stack.
const maxDepth = 100

// raw reads a value and returns it unparsed.
func (s *scanner) raw() (string, bool) {
	s.space()
	begin := s.at
	ok := s.value()
	return s.text[begin:s.at], ok
}

func (s *scanner) name() (string, bool) {
	value, ok := s.raw()
	if !ok || value[0] != '"' {
		return "", false
	}
	return readText(value), s.next(':')
}

func (s *scanner) value() bool {
	switch s.space(); s.peek() {
	case '{':
		return s.list('{', '}', func() bool {
			s.space()
			return s.quoted() && s.next(':') && s.value()
		})
	case '[':
		return s.list('[', ']', s.value)
	case '"':
		return s.quoted()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) list(begin, end byte, item func() bool) bool {
	if s.depth++; s.depth > maxDepth || !s.next(begin) {
		return false
	}
	for first := true; !s.next(end); first = false {
		if !first && !s.next(',') || !item() {
			return false
		}
	}
	s.depth--
	return true
}

func (s *scanner) quoted() bool {
	if !s.take('"') {
		return false
	}
	for s.at < len(s.text) {
		b := s.text[s.at]
		s.at++
		switch {
		case b > '\\': // most letters are
		case b == '"':
			return true
		case b < ' ', b == '\\' && !s.escape():
			return false
		}
	}
	return false
}

// escape reads what follows a backslash.
func (s *scanner) escape() bool {
	if b := s.peek(); b != 'u' {
		s.at = min(s.at+1, len(s.text))
		return strings.IndexByte(`"\/bfnrt`, b) >= 0
	}
	s.at++
	for range 4 {
		if b := s.peek(); (b < '0' || '9' < b) && (b < 'a' || 'f' < b) && (b < 'A' || 'F' < b) {
			return false
		}
		s.at++
	}
	return true
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		_ = s.take('+') || s.take('-')
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	begin := s.at
	for b := s.peek(); '0' <= b && b <= '9'; b = s.peek() {
		s.at++
	}
	return s.at > begin
}

func (s *scanner) word(word string) bool {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) space() {
	for {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte, or NUL at the end: nothing in JSON begins with NUL.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// take skips b if it is next.
func (s *scanner) take(b byte) bool {
	if s.peek() != b {
		return false
	}
	s.at++
	return true
}

// next skips white space, then b if it is next.
func (s *scanner) next(b byte) bool {
	s.space()
	return s.take(b)
}

// readText reads a JSON string; anything else is the empty text. Bytes that are not UTF-8
// and halves of surrogate pairs become U+FFFD.
func readText(value string) string {
	if value[0] != '"' {
		return ""
	}
	if isPlain(value) {
		return value[1 : len(value)-1]
	}
	var text string
	_ = json.Unmarshal([]byte(value), &text) // well formed
	return text
}

// isPlain reports whether a JSON string contains no escapes and only ASCII.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] == '\\' || text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
