package gateway

import (
	"net/http"
	"time"

	"github.com/token2go/token2go/internal/store"
)

// signingView lists the signing keys.
type signingView struct {
	chrome
	Keys []signingKeyJSON
}

// signingKeyJSON is a signing key without its private half.
type signingKeyJSON struct {
	ID      string    `json:"id"`
	Purpose string    `json:"purpose"`
	State   string    `json:"state"`
	Created time.Time `json:"created"`
}

func newSigningKeyJSON(k store.SigningKey) signingKeyJSON {
	return signingKeyJSON{k.ID, k.Purpose, k.State, k.Created.UTC()}
}

// adminSigningKeys lists the signing keys. They are changed on the command line alone.
func (s *Server) adminSigningKeys(w http.ResponseWriter, r *http.Request) error {
	if _, err := asAdmin(s.actor)(r); err != nil {
		return err
	}
	stored, err := s.options.Store.SigningKeys(r.Context())
	if err != nil {
		return err
	}
	list := make([]signingKeyJSON, len(stored))
	for i, key := range stored {
		list[i] = newSigningKeyJSON(key)
	}
	if wantsPage(r) {
		return s.showForms(w, http.StatusOK, "signing", signingView{s.chrome(r), list})
	}
	return answerJSON(w, http.StatusOK, struct {
		Keys []signingKeyJSON `json:"keys"`
	}{list})
}
