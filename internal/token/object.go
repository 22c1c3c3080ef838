package token

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Every hand-over reads a token's claims. encoding/json, which calls a function for each
// byte to check a text and then fills structs by reflection, takes several times as long
// for them, a fifth of all that /token does.

// eachMember gives take the members of a JSON object (RFC 8259) in their order, the
// values as they are written. It reports whether text is one object and nothing else,
// and take has never returned false.
func eachMember(text string, take func(name, value string) bool) bool {
	s := scanner{text: text}
	fine := s.list('{', '}', func() bool {
		name, fine := s.name()
		if !fine {
			return false
		}
		value, fine := s.raw()
		return fine && take(name, value)
	})
	s.space()
	return fine && s.at == len(text)
}

// scanner reads JSON from left to right. Its methods report whether it is well formed
// as far as they have read.
type scanner struct {
	text  string
	at    int
	depth int
}

// maxDepth is how deep lists may stand in lists, as in encoding/json.
const maxDepth = 10000

// raw reads a value and returns it as it is written.
func (s *scanner) raw() (string, bool) {
	s.space()
	begin := s.at
	fine := s.value()
	return s.text[begin:s.at], fine
}

func (s *scanner) name() (name string, fine bool) {
	value, fine := s.raw()
	if !fine || value[0] != '"' {
		return "", false
	}
	return name, readText(value, &name) && s.next(':')
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

// peek returns the next byte, and NUL at the end, which begins nothing either.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// take passes over b if it is next.
func (s *scanner) take(b byte) bool {
	if s.peek() != b {
		return false
	}
	s.at++
	return true
}

// next is take behind white space.
func (s *scanner) next(b byte) bool {
	s.space()
	return s.take(b)
}

// readText reads a JSON string, or null, which leaves what is there. Most mean just the
// bytes that they consist of.
func readText(value string, into *string) bool {
	if value == "null" {
		return true
	}
	if value[0] != '"' {
		return false
	}
	if isPlain(value) {
		*into = value[1 : len(value)-1]
		return true
	}
	var read string
	fine := json.Unmarshal([]byte(value), &read) == nil
	*into = read
	return fine
}

// isPlain reports whether a JSON string means just the bytes that it consists of.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] == '\\' || text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
