package token2go

import (
	"testing"
	"time"
)

// BenchmarkCall is what a person waits for before the address is shown.
func BenchmarkCall(b *testing.B) {
	for _, format := range []Format{JWE, Triple} {
		b.Run(string(format), func(b *testing.B) {
			for b.Loop() {
				if _, err := newCall(format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCachedToken is a token from the cache, the person not asked.
func BenchmarkCachedToken(b *testing.B) {
	cache := Cache{Dir: b.TempDir() + "/token2go"}
	token := NewToken("x")
	token.Expiry = time.Now().Add(time.Hour)
	if err := cache.Store("https://t2g.example.org", token); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := cache.Get(b.Context(), Options{Server: "https://t2g.example.org"}); err != nil {
			b.Fatal(err)
		}
	}
}
