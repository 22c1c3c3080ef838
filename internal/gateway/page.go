package gateway

import (
	"html/template"
	"net/http"

	"github.com/token2go/token2go/internal/page"
	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/internal/web"
)

// chrome is what every page shows around its content.
func (s *Server) chrome(r *http.Request) chrome {
	title := s.options.Texts.Title
	if title == "" {
		title = "Token2go"
		if s.options.Texts.Target != "" {
			title = "Token2go | " + s.options.Texts.Target
		}
	}
	person, admin := s.person(r.Header)
	return chrome{
		Base:       s.prefix(r),
		Title:      title,
		Product:    s.options.Texts.Target,
		Demo:       s.options.Demo,
		Version:    s.options.Version,
		Person:     person,
		Keys:       s.options.Keys != nil,
		Passes:     s.options.Passes != nil,
		Admin:      admin && s.options.Keys != nil,
		SignInURL:  s.options.Texts.SignInURL,
		SignOutURL: s.options.Texts.SignOutURL,
	}
}

// index answers with the token page. It contains no token: its script fetches that.
func (s *Server) index(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, http.StatusOK, "index", s.indexView(r))
}

func (s *Server) indexView(r *http.Request) indexView {
	view := indexView{
		chrome: s.chrome(r),
		Desc1:  template.HTML(s.options.Texts.Desc1), //nolint:gosec // the operator's own HTML
		Desc2:  template.HTML(s.options.Texts.Desc2), //nolint:gosec // the operator's own HTML
		Misc:   template.HTML(s.options.Texts.Misc),  //nolint:gosec // the operator's own HTML

		Example: s.options.Texts.Example,
	}
	if s.options.PublicURL != nil {
		view.Server = s.options.PublicURL.String()
	}
	_, err := s.options.Tokens.Extract(r.Header)
	view.Found = err == nil
	if err != nil {
		view.Problem = newProblemPart(s.adapter.Errors.Find(r, err))
	}
	return view
}

// show answers with a page.
func (s *Server) show(w http.ResponseWriter, status int, name string, view any) error {
	return s.showUnder(web.PagePolicy, w, status, name, view)
}

// showUnder answers with a page under another content security policy.
func (s *Server) showUnder(policy string, w http.ResponseWriter, status int, name string, view any) error {
	web.PageHeaders(w.Header(), policy)
	return s.pages.Render(w, status, name, view)
}

func newProblemPart(p *problem.Problem) *problemPart {
	return &problemPart{
		Kind: string(p.Kind), Title: p.Kind.Title(), Detail: p.Detail, Fix: p.Fix,
		Wanted: p.Wanted, Arrived: p.Arrived,
	}
}

func (s *Server) problemView(r *http.Request, p *problem.Problem) problemView {
	return problemView{
		chrome: s.chrome(r), Status: p.Kind.Status(), Kind: string(p.Kind), Title: p.Kind.Title(),
		Detail: p.Detail, Fix: p.Fix, Wanted: p.Wanted, Arrived: p.Arrived,
	}
}

// static serves what pages load.
func (s *Server) static(w http.ResponseWriter, r *http.Request) error {
	return s.pages.ServeFile(w, r, r.PathValue("file"))
}

func (s *Server) favicon(w http.ResponseWriter, r *http.Request) error {
	return s.pages.ServeFile(w, r, "favicon.ico")
}

func (s *Server) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	allowed := s.methods(r.URL)
	if allowed == "" {
		return page.ErrNotFound // chi also calls this for a method that it does not know
	}
	w.Header().Set("Allow", allowed)
	return &problem.Problem{
		Kind: problem.MethodNotAllowed, Detail: web.Method(r.Method) + " is not served at this address",
		Fix: "Use one of: " + allowed + ".",
	}
}
