package seal_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/token2go/token2go/internal/seal"
	"github.com/token2go/token2go/internal/secret"
)

const state = "the state of this request"

var issued = time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("somewhere", 3600))

func sealJWE(t testing.TB, key *seal.Key, plaintext secret.Value, header seal.Header) string {
	t.Helper()
	text, err := seal.SealJWE(key, plaintext, header)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOpenJWEWithTheKey(t *testing.T) {
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		for kind, plaintext := range plaintexts() {
			text := sealJWE(t, key, plaintext, seal.Header{Issuer: "https://gw.example/\"<é", State: state, IssuedAt: issued})
			opened, err := seal.OpenJWE(good.private, text, state)
			if err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
				continue
			}
			if opened.Plaintext.Reveal() != plaintext.Reveal() {
				t.Errorf("%s, %s: got another plaintext than was sealed", name, kind)
			}
			if opened.Issuer != "https://gw.example/\"<é" || !opened.IssuedAt.Equal(issued.Truncate(time.Second)) ||
				opened.Expires.Sub(opened.IssuedAt) != 5*time.Minute {
				t.Errorf("%s, %s: got %v, want what was said, and five minutes", name, kind, opened)
			}
		}
	}
}

func headerOf(t *testing.T, text string) map[string]any {
	t.Helper()
	content, err := base64.RawURLEncoding.Strict().DecodeString(strings.Split(text, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(content, &header); err != nil {
		t.Fatal(err)
	}
	return header
}

func TestSealJWEHeader(t *testing.T) {
	stateHash := sha256.Sum256([]byte(state))
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, issuer := range []string{"", "https://gw.example"} {
			got := headerOf(t, sealJWE(t, key, plain, seal.Header{Issuer: issuer, State: state, IssuedAt: issued}))
			want := map[string]any{
				"alg": "RSA-OAEP-256", "enc": "A256GCM", "typ": "token2go+jwe", "kid": key.ID(), "state_hash": url64(stateHash[:]),
				"iat": float64(issued.Unix()), "exp": float64(issued.Unix() + 300),
			}
			if issuer != "" {
				want["iss"] = issuer
			}
			if !key.RSA() {
				want["alg"] = "ECDH-ES"
				checkEphemeral(t, got["epk"])
				delete(got, "epk")
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
			}
		}
	}
}

func checkEphemeral(t *testing.T, epk any) {
	t.Helper()
	text, err := json.Marshal(epk)
	if err != nil {
		t.Fatal(err)
	}
	if members, _ := epk.(map[string]any); len(members) != 4 {
		t.Errorf("got the ephemeral key %s, want kty, crv, x and y", text)
	}
	if _, err := seal.ParseKey(seal.JWK, string(text)); err != nil {
		t.Errorf("ephemeral key: %v", err)
	}
}

// TestSealJWEFollowsRFC7516 opens with nothing but the standard library.
func TestSealJWEFollowsRFC7516(t *testing.T) {
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		text := sealJWE(t, key, plain, seal.Header{State: state, IssuedAt: issued})
		parts := strings.Split(text, ".")
		var contentKey []byte
		switch private := good.private.(type) {
		case *rsa.PrivateKey:
			contentKey, err = rsa.DecryptOAEP(sha256.New(), nil, private, raw(t, parts[1]), nil)
		case *ecdsa.PrivateKey:
			contentKey, err = agreed(t, private, headerOf(t, text)["epk"].(map[string]any))
		}
		if err != nil {
			t.Fatal(err)
		}
		opened, err := gcm(t, contentKey).Open(nil, raw(t, parts[2]), append(raw(t, parts[3]), raw(t, parts[4])...), []byte(parts[0]))
		if err != nil || string(opened) != plain.Reveal() {
			t.Errorf("%s: got %v, want what was sealed", name, err)
		}
	}
}

func raw(t *testing.T, text string) []byte {
	t.Helper()
	content, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// agreed is the Concat KDF of RFC 7518, section 4.6.2, for one block of SHA-256.
func agreed(t *testing.T, private *ecdsa.PrivateKey, epk map[string]any) ([]byte, error) {
	t.Helper()
	point := append([]byte{4}, raw(t, epk["x"].(string))...)
	public, err := ecdh.P256().NewPublicKey(append(point, raw(t, epk["y"].(string))...))
	if err != nil {
		return nil, err
	}
	own, err := private.ECDH()
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(public)
	if err != nil {
		return nil, err
	}
	input := append(binary.BigEndian.AppendUint32(nil, 1), shared...)
	input = append(binary.BigEndian.AppendUint32(input, 7), "A256GCM"...)
	for _, number := range []uint32{0, 0, 256} {
		input = binary.BigEndian.AppendUint32(input, number)
	}
	sum := sha256.Sum256(input)
	return sum[:], nil
}

func TestSealJWEOpensInGoJose(t *testing.T) {
	for name, good := range goodKeys(t) {
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jose.ParseEncryptedCompact(sealJWE(t, key, plain, seal.Header{State: state, IssuedAt: issued}),
			[]jose.KeyAlgorithm{jose.RSA_OAEP_256, jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := parsed.Decrypt(good.private); err != nil || string(opened) != plain.Reveal() {
			t.Errorf("%s: got %v, want what was sealed", name, err)
		}
	}
}

// forged is a JWE as some other program might write it: each header of ours, changed
// by more, where nil leaves one out.
func forged(t testing.TB, public crypto.PublicKey, alg jose.KeyAlgorithm, enc jose.ContentEncryption, more map[string]any) string {
	t.Helper()
	hash := sha256.Sum256([]byte(state))
	header := map[string]any{
		"typ": "token2go+jwe", "state_hash": url64(hash[:]), "iat": issued.Unix(), "exp": issued.Unix() + 300, "kid": newKey(t, public).ID(),
	}
	maps.Copy(header, more)
	options := &jose.EncrypterOptions{}
	if header["zip"] != nil {
		options.Compression = jose.DEFLATE
	}
	for name, value := range header {
		if value != nil {
			options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: public}, options)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypter.Encrypt([]byte("forged"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOpenJWEAcceptsAnotherClock(t *testing.T) {
	private := testEC(t, elliptic.P256())
	for _, moment := range []time.Time{time.Unix(0, 0), time.Now().Add(-24 * time.Hour), time.Now().Add(24 * time.Hour)} {
		text := sealJWE(t, newKey(t, &private.PublicKey), plain, seal.Header{State: state, IssuedAt: moment})
		opened, err := seal.OpenJWE(private, text, state)
		if err != nil || opened.IssuedAt.Unix() != moment.Unix() {
			t.Errorf("got %v and %v, want %v and no refusal", opened.IssuedAt, err, moment)
		}
	}
}

func TestOpenJWEOfAnotherProgram(t *testing.T) {
	private := testRSA(t, 2048)
	text := forged(t, &private.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, map[string]any{"cty": "application/json", "of_later": 1})
	if opened, err := seal.OpenJWE(private, text, state); err != nil || opened.Plaintext.Reveal() != "forged" {
		t.Errorf("got %v, want it opened: members that are not known are ignored", err)
	}
}

func TestOpenJWERefusesUnrequested(t *testing.T) {
	private, curve := testRSA(t, 2048), testEC(t, elliptic.P256())
	with := func(name string, value any) string {
		return forged(t, &private.PublicKey, jose.RSA_OAEP_256, jose.A256GCM, map[string]any{name: value})
	}
	ours := sealJWE(t, newKey(t, &private.PublicKey), plain, seal.Header{State: state, IssuedAt: issued})
	header := func(json string) string { return url64([]byte(json)) + ours[strings.Index(ours, "."):] }
	good := string(raw(t, strings.Split(ours, ".")[0]))
	elliptical := strings.Split(sealJWE(t, newKey(t, &curve.PublicKey), plain, seal.Header{State: state, IssuedAt: issued}), ".")
	for _, test := range []struct {
		name    string
		private crypto.PrivateKey
		text    string
		says    string
	}{
		{"the answer to another request", private, with("state_hash", url64(make([]byte, 32))), "that of another state"},
		{"no state_hash", private, with("state_hash", nil), "no member state_hash"},
		{"a state_hash that is null", private, header(strings.Replace(good, `"state_hash":"`, `"state_hash":null,"x":"`, 1)), "state_hash is not a text"},
		{"sealed to another key", private, with("kid", newKey(t, &testRSA(t, 3072).PublicKey).ID()), "that of another key"},
		{"no kid", private, with("kid", nil), "no member kid"},
		{"a JWT", private, with("typ", "JWT"), "its typ is JWT, want token2go+jwe"},
		{"no typ", private, with("typ", nil), "no member typ"},
		{"OAEP with SHA-1", private, forged(t, &private.PublicKey, jose.RSA_OAEP, jose.A256GCM, nil), "its alg is RSA-OAEP, want RSA-OAEP-256"},
		{"RSA without OAEP", private, forged(t, &private.PublicKey, jose.RSA1_5, jose.A256GCM, nil), "its alg is RSA1_5"},
		{"AES of 128 bits", private, forged(t, &private.PublicKey, jose.RSA_OAEP_256, jose.A128GCM, nil), "its enc is A128GCM, want A256GCM"},
		{"CBC", private, forged(t, &private.PublicKey, jose.RSA_OAEP_256, jose.A256CBC_HS512, nil), "its enc is A256CBC-HS512"},
		{"a wrapped key", curve, forged(t, &curve.PublicKey, jose.ECDH_ES_A256KW, jose.A256GCM, nil), "its alg is ECDH-ES+A256KW, want ECDH-ES"},
		{"RSA where EC was asked for", curve, ours, "its alg is RSA-OAEP-256, want ECDH-ES"},
		{"no alg", private, header(strings.Replace(good, `"alg"`, `"ALG"`, 1)), "no member alg"},
		{"compression", private, with("zip", "DEF"), "want no compression"},
		{"an extension that must be understood", private, with("crit", []string{"exp"}), "altered"},
		{"a header member twice", private, header(`{"typ":"x",` + good[1:]), "typ is given twice"},
		{"a header that is no JSON", private, header("{"), "JSON is damaged"},
		{"a header that is an array", private, header("[]"), "not a JSON object"},
		{"an empty header", private, header(""), "not a JSON object"},
		{"no iat", private, with("iat", nil), "its iat is not a number"},
		{"an iat that is a text", private, with("iat", "1"), "its iat is not a number"},
		{"an iat that is a fraction", private, with("iat", 1.5), "its iat is not a number"},
		{"an iat before 1970", private, with("iat", -1), "its iat is not a number"},
		{"an iat in a million years", private, with("iat", int64(1)<<62), "its iat is not a number"},
		{"no exp", private, with("exp", nil), "its exp is not a number"},
		{"an issuer that is a number", private, with("iss", 1), "iss is not a text"},
		{"a JSON serialization", private, `{"protected":"e30"}`, "it has 1 parts"},
		{"a signed JWT", private, "e30.e30.AAAA", "it has 3 parts"},
		{"six parts", private, ours + ".AAAA", "it has 6 parts"},
		{"nothing", private, "", "it has 1 parts"},
		{"an encrypted key where there is none", curve, strings.Join([]string{elliptical[0], "AAAA", elliptical[2], elliptical[3], elliptical[4]}, "."), "want none with ECDH-ES"},
		{"more than a MiB", private, strings.Repeat("A", 1<<20+1), "want at most 1048576"},
	} {
		opened, err := seal.OpenJWE(test.private, test.text, state)
		if !errors.Is(err, seal.ErrEnvelope) || opened != (seal.Opened{}) {
			t.Errorf("%s: got %v, want ErrEnvelope and nothing opened", test.name, err)
			continue
		}
		if !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s:\ngot  %v\nwant … %s …", test.name, err, test.says)
		}
		checkText(t, err, strings.ReplaceAll(test.text, ".", " "))
	}
}

func TestOpenJWERefusesAltered(t *testing.T) {
	for name, good := range goodKeys(t) {
		if strings.Contains(name, "PEM") || strings.Contains(name, "4096") {
			continue
		}
		key, err := seal.ParseKey(good.kind, good.text)
		if err != nil {
			t.Fatal(err)
		}
		text := sealJWE(t, key, secret.New("marked"), seal.Header{State: state, IssuedAt: issued})
		parts := strings.Split(text, ".")
		for i, part := range parts {
			if part == "" {
				continue
			}
			for kind, change := range changes(base64.RawURLEncoding) {
				for what, changed := range change(part, 1+len(part)/60) {
					touched := append(append(append([]string{}, parts[:i]...), changed), parts[i+1:]...)
					opened, err := seal.OpenJWE(good.private, strings.Join(touched, "."), state)
					if !errors.Is(err, seal.ErrEnvelope) || opened != (seal.Opened{}) {
						t.Errorf("%s, part %d, %s: %s: got %v, want ErrEnvelope and nothing opened", name, i+1, kind, what, err)
					}
				}
			}
		}
	}
}

func TestOpenJWERefusesAnotherStateOrKey(t *testing.T) {
	private := testEC(t, elliptic.P256())
	text := sealJWE(t, newKey(t, &private.PublicKey), plain, seal.Header{State: state, IssuedAt: issued})
	for _, other := range []string{"", state + " ", state[1:], strings.ToUpper(state)} {
		if _, err := seal.OpenJWE(private, text, other); !errors.Is(err, seal.ErrEnvelope) {
			t.Errorf("state %q: got %v, want ErrEnvelope", other, err)
		}
	}
	if _, err := seal.OpenJWE(testEC(t, elliptic.P256()), text, state); !errors.Is(err, seal.ErrEnvelope) {
		t.Errorf("another key: got %v, want ErrEnvelope", err)
	}
}

// TestOpenJWERefusesForgedKeyID has an envelope that names our key and is sealed to another.
func TestOpenJWERefusesForgedKeyID(t *testing.T) {
	private := testEC(t, elliptic.P256())
	ours := newKey(t, &private.PublicKey).ID()
	text := forged(t, &testEC(t, elliptic.P256()).PublicKey, jose.ECDH_ES, jose.A256GCM, map[string]any{"kid": ours})
	if _, err := seal.OpenJWE(private, text, state); !errors.Is(err, seal.ErrEnvelope) {
		t.Errorf("got %v, want ErrEnvelope", err)
	}
}

func TestOpenJWERefusesUnfitPrivateKey(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]crypto.PrivateKey{
		"Ed25519": edwards, "P-384": testEC(t, elliptic.P384()), "RSA of 1024 bits": testRSA(t, 1024), "nothing": nil,
	} {
		if _, err := seal.OpenJWE(private, "", state); !errors.Is(err, seal.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
		}
	}
}
