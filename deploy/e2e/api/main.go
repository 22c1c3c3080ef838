// An API that checks access tokens itself.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	issuer   = "https://id.example.org/realms/main"
	audience = "https://api.example.org" // tokens for others are of no use here
)

func main() {
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		log.Fatal(err)
	}
	// Checks issuer, audience, expiry, and the signature by one of the provider's keys,
	// which it fetches, keeps, and fetches again when it meets a new one. ClientID is the
	// library's word for the audience.
	verifier := provider.Verifier(&oidc.Config{ClientID: audience})

	mux := http.NewServeMux()
	mux.HandleFunc("GET /things", func(w http.ResponseWriter, r *http.Request) {
		token, reason := check(r, verifier)
		if token == nil {
			w.Header().Set("WWW-Authenticate", "Bearer"+reason)
			http.Error(w, "an access token for "+audience+" is needed", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "things of %s\n", token.Subject)
	})
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:9000"),
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

// check returns the token that a request brings, or why it has none that counts, as
// RFC 6750, section 3, writes it: without a token there is nothing to say.
func check(r *http.Request, verifier *oidc.IDTokenVerifier) (*oidc.IDToken, string) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, ""
	}
	token, err := verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, fmt.Sprintf(` error="invalid_token", error_description="%s"`, strings.Map(quotable, err.Error()))
	}
	return token, ""
}

// quotable are the characters that a description may have.
func quotable(c rune) rune {
	if c == '"' || c == '\\' || c < ' ' || c > '~' {
		return '\''
	}
	return c
}
