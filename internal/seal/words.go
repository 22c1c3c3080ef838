package seal

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"strings"
)

// english is BIP-39's English list: 2048 words, sorted, one a line.
//
//go:embed words/english.txt
var english string

// Words returns four words for a person to compare: the server shows them with the
// question, and the client prints them. They depend on the key and the state, so an
// attacker cannot search for a key with the same words before the flow begins. Four words
// are 44 bits.
func (k *Key) Words(state string) (words [4]string) {
	hashed := sha256.Sum256([]byte(state))
	text := append([]byte("token2go words\x00"), k.thumbprint[:]...)
	digest := sha256.Sum256(append(text, hashed[:]...))
	bits := binary.BigEndian.Uint64(digest[:8])
	for i := range words {
		words[i] = Word(int(bits >> (53 - 11*i) & 0x7ff))
	}
	return words
}

// WordCount is how many words there are to choose from.
const WordCount = 2048

// Word returns the word with an index from 0 to WordCount-1. It reads the list from its
// beginning, which takes a few microseconds; a table would cost every start more.
func Word(index int) string {
	rest := english
	for range index {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	found, _, _ := strings.Cut(rest, "\n")
	return found
}
