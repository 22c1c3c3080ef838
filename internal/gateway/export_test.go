package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// Routes lists what is registered at the gateway listener, as "METHOD /path".
func (s *Server) Routes() ([]string, error) {
	var list []string
	err := chi.Walk(s.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		list = append(list, method+" "+strings.Replace(route, routedKey, keyPattern, 1))
		return nil
	})
	slices.Sort(list)
	return list, err
}
