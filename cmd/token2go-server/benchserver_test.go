package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/t2gtest"
)

// benchServer is a server that runs.
type benchServer struct {
	address string // host:port
	process int
}

func (c benchServer) dial(b *testing.B, request []byte, status int) *t2gtest.Load {
	b.Helper()
	called, err := c.call(request, status)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(called.Close)
	return called
}

func (c benchServer) call(request []byte, status int) (*t2gtest.Load, error) {
	dial := func() (net.Conn, error) { return net.Dial("tcp", c.address) }
	return t2gtest.NewLoad(callers, dial, request, status)
}

// first waits for the server to listen, and returns its answer.
func (c benchServer) first(b *testing.B, request []byte, status int) []byte {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		connection, err := net.Dial("tcp", c.address)
		if err == nil {
			_ = connection.Close()
			break
		}
		if time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
	answer, err := c.dial(b, request, status).Callers[0].Call()
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Clone(answer)
}

func measure(b *testing.B, c *t2gtest.Load, length time.Duration) float64 {
	b.Helper()
	rate, err := c.Run(length)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// parsed is a request as net/http hands it to a handler.
func parsed(b *testing.B, request []byte) *http.Request {
	b.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:40000"
	return r.WithContext(context.Background())
}

// tokenRequest is what the page's script asks, as oauth2-proxy forwards it.
func tokenRequest() []byte {
	return forwarded("/token",
		"Accept: application/json", "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin",
		"Referer: https://token.example.org/")
}

// flowRequest is what a browser asks that a person's program has opened.
func flowRequest(b *testing.B) []byte {
	b.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	body, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	query := url.Values{
		"target":        {"http://127.0.0.1:41234/8NqXw2Yk"},
		"state":         {"NzI0YjU1ZGUtZjA5Ny00ZDU5LTk2YzYtOTg5ZWQ2Nzc3"},
		"publicKeyType": {"rsa2048-rfc5280-x509-pem"},
		"publicKey":     {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: body}))},
	}
	return forwarded("/flow/redirect/token?"+query.Encode(),
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
		"Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-User: ?1",
		"Upgrade-Insecure-Requests: 1")
}

// forwarded is a browser's request with what oauth2-proxy adds under
// --pass-access-token. The session cookie is shorter than most, whose length would
// only make both sides slower and more alike.
func forwarded(path string, lines ...string) []byte {
	lines = append([]string{
		"GET " + path + " HTTP/1.1",
		"Host: token.example.org",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		"Accept-Encoding: gzip, deflate, br, zstd",
		"Accept-Language: en-GB,en;q=0.9",
		"Cookie: _oauth2_proxy=" + strings.Repeat("Zm9yIGEgYmVuY2htYXJr", 50) + "|1795456800|kYw0xk2mZ3q7bJr5pX1d8cVfHnT4uSaE6gLiOoQzB9A=",
		"X-Forwarded-For: 192.0.2.17",
		"X-Forwarded-User: 5f2b0f0e-6c11-4d0e-9f6e-2f1f3a7f4c55",
		"X-Forwarded-Email: ada@example.org",
		"X-Forwarded-Preferred-Username: ada",
		"X-Forwarded-Access-Token: " + accessToken(),
	}, lines...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// accessToken is a token such as Keycloak's: 1.3 kB, valid for long.
func accessToken() string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT","kid":"x3y8Zb1qk0Wv5mNn7RtJ2cUe9sLpHa4dGfOiQjTzKvM"}`)) + "." +
		encode([]byte(`{"exp":4102444800,"iat":1795453200,"auth_time":1795453199,"jti":"onrtac:0d9f5c1e-3b7a-4f9a-8a55-1c7d2f0b9e64",`+
			`"iss":"https://id.example.org/realms/main","aud":["api","account"],"sub":"5f2b0f0e-6c11-4d0e-9f6e-2f1f3a7f4c55",`+
			`"typ":"Bearer","azp":"token2go","sid":"b1c9e7de-7d0f-4e0c-8c2a-9d6a5b4c3f21","acr":"1","allowed-origins":["https://token.example.org"],`+
			`"realm_access":{"roles":["default-roles-main","offline_access","uma_authorization"]},`+
			`"resource_access":{"account":{"roles":["manage-account","manage-account-links","view-profile"]}},`+
			`"scope":"openid email profile","email_verified":true,"name":"Ada Example","preferred_username":"ada",`+
			`"given_name":"Ada","family_name":"Example","email":"ada@example.org"}`)) + "." +
		encode(bytes.Repeat([]byte{0x5a, 0xc3, 0x17, 0xe8}, 64))
}
