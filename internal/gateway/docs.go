package gateway

import (
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"github.com/token2go/token2go/internal/apidocs"
	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/web"
	"github.com/token2go/token2go/openapi"
)

func (s *Server) documentYAML(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-cache")
	return web.Write(w, http.StatusOK, "application/yaml", openapi.GatewayYAML())
}

func (s *Server) documentJSON(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-cache")
	return web.Write(w, http.StatusOK, web.JSON, openapi.GatewayJSON())
}

// toSwagger redirects to Swagger UI from addresses that people try.
func (s *Server) toSwagger(w http.ResponseWriter, _ *http.Request) error {
	apidocs.Redirect(w)
	return nil
}

// newDocs makes the handler of Swagger UI. It caches compressed files, so there is one.
func (s *Server) newDocs() http.Handler {
	notice := s.options.Demo
	if notice != "" {
		notice = "Demo: " + notice
	}
	return apidocs.Handler(apidocs.Options{
		NotFound: s.adapter.Handle("/swagger-ui/{file}", s.notFound),
		Notice:   notice,
	})
}

func (s *Server) swagger(w http.ResponseWriter, r *http.Request) error {
	web.PageHeaders(w.Header(), apidocs.CSP)
	s.docs.ServeHTTP(w, r)
	return nil
}

func (s *Server) notFound(http.ResponseWriter, *http.Request) error { return page.ErrNotFound }

// methods lists what is served at an address, for the Allow header (RFC 9110, section
// 10.2.1). Like the router it matches RawPath if that is set.
func (s *Server) methods(at *url.URL) string {
	path := at.RawPath
	if path == "" {
		path = at.Path
	}
	list := ""
	for _, name := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch} {
		if s.router.Match(chi.NewRouteContext(), name, path) {
			if list != "" {
				list += ", "
			}
			list += name
		}
	}
	return list
}
