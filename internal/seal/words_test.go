package seal_test

import (
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/token2go/token2go/internal/seal"
)

func wordList(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("words/english.txt")
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(text))
	if want := "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"; sum != want {
		t.Fatalf("got the list with SHA-256 %s, want BIP-39's, %s", sum, want)
	}
	return strings.Fields(string(text))
}

func TestWordListIsSortedAndDistinct(t *testing.T) {
	words := wordList(t)
	if len(words) != 2048 || !slices.IsSorted(words) {
		t.Fatalf("got %d words, sorted %v, want 2048, sorted", len(words), slices.IsSorted(words))
	}
	beginnings := map[string]bool{}
	for _, word := range words {
		if !regexp.MustCompile(`^[a-z]{3,8}$`).MatchString(word) {
			t.Errorf("got %q, want 3 to 8 small letters", word)
		}
		beginnings[word[:min(4, len(word))]] = true
	}
	if len(beginnings) != 2048 {
		t.Errorf("got %d different beginnings, want 2048", len(beginnings))
	}
}

func TestWordListHasItsNotice(t *testing.T) {
	notice, err := os.ReadFile("words/NOTICE")
	if err != nil || !strings.Contains(string(notice), "The MIT License (MIT)") {
		t.Errorf("got %v, want the licence notice of the list", err)
	}
}

// TestWordsFollowTheProtocol takes them from the digest as one number.
func TestWordsFollowTheProtocol(t *testing.T) {
	list := wordList(t)
	for _, state := range []string{"", "s", "ünï", strings.Repeat("x", 1024)} {
		key := newKey(t, &testEC(t, elliptic.P256()).PublicKey)
		thumbprint := raw(t, key.ID())
		stateHash := sha256.Sum256([]byte(state))
		digest := sha256.Sum256(slices.Concat([]byte("token2go words"), []byte{0}, thumbprint, stateHash[:]))
		number := new(big.Int).Rsh(new(big.Int).SetBytes(digest[:]), 256-44)
		var want [4]string
		for i := range want {
			index := new(big.Int).Rsh(number, uint(33-11*i))
			want[i] = list[index.Mod(index, big.NewInt(2048)).Int64()]
		}
		if got := key.Words(state); got != want {
			t.Errorf("state %q: got %v, want %v", state, got, want)
		}
	}
}

func TestWordsDependOnKeyAndState(t *testing.T) {
	first, second := newKey(t, &testEC(t, elliptic.P256()).PublicKey), newKey(t, &testEC(t, elliptic.P256()).PublicKey)
	seen := map[[4]string]bool{}
	for _, key := range []*seal.Key{first, second} {
		for _, state := range []string{"", "a", "b", "A"} {
			seen[key.Words(state)] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("got %d different answers, want 8", len(seen))
	}
}
