package signing

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Bits are the bytes of a list.
func Bits(l *StatusList) []byte { return l.bits }

// SignWithoutKeyID makes a JWT as apikeyserv does.
func SignWithoutKeyID(t testing.TB, key Key, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: *key.private},
		new(jose.SignerOptions).WithType(jose.ContentType(key.Purpose.Type())))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}
