package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
)

// serveBare serves what the server is compared with, until it is orphaned.
func serveBare(b *testing.B) {
	answer, err := os.ReadFile(os.Getenv(benchBytes))
	if err != nil {
		b.Fatal(err)
	}
	handler, err := newBare(answer)
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv(benchPort), Handler: handler}
	ended := untilOrphaned()
	go func() {
		<-ended.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		b.Fatal(err)
	}
}

// bare does what a server must that hands tokens over, and nothing else: it checks
// nothing, logs nothing and counts nothing.
type bare struct {
	header http.Header
	body   []byte
}

// newBare makes a handler that answers /token with the very bytes of an answer.
func newBare(answer []byte) (*bare, error) {
	read, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(read.Body)
	return &bare{header: read.Header, body: body}, err
}

func (s *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		h := w.Header()
		for name, values := range s.header {
			if name != "Date" { // net/http sets it
				h[name] = values
			}
		}
		_, _ = w.Write(s.body)
		return
	}
	location, err := s.redirect(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h["Location"] = []string{location}
	h["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusSeeOther)
}

// redirect parses the key, seals what /token says under it, and makes the address.
func (s *bare) redirect(query url.Values) (string, error) {
	block, _ := pem.Decode([]byte(query.Get("publicKey")))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return "", err
	}
	contentKey, nonce := make([]byte, 32), make([]byte, 12)
	_, _ = rand.Read(contentKey)
	_, _ = rand.Read(nonce)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), contentKey, nil)
	if err != nil {
		return "", err
	}
	cipherBlock, err := aes.NewCipher(contentKey)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCM(cipherBlock)
	if err != nil {
		return "", err
	}
	encode := func(of []byte) string { return url.QueryEscape(base64.StdEncoding.EncodeToString(of)) }
	return query.Get("target") + "?key=" + encode(wrapped) + "&nonce=" + encode(nonce) +
		"&payload=" + encode(aead.Seal(nil, nonce, s.body, nil)) + "&state=" + url.QueryEscape(query.Get("state")), nil
}
