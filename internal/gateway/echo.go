package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/token2go/token2go/internal/doctor"
	"github.com/token2go/token2go/internal/web"
)

// examine has the doctor look at a request.
func (s *Server) examine(r *http.Request) doctor.Report {
	options := doctor.Options{
		Tokens: s.options.Tokens, Identity: s.options.Identity, Verified: s.options.People != nil, BasePath: s.options.BasePath,
		MaxHeaderBytes: s.options.MaxHeaderBytes, MaxURL: s.options.Rules.MaxURL, Now: s.options.Now,
	}
	if s.options.PublicURL != nil {
		options.PublicURL = s.options.PublicURL.String()
	}
	return doctor.Examine(r, options)
}

// echo shows the operator what arrives here: as JSON, or as the doctor's page.
func (s *Server) echo(w http.ResponseWriter, r *http.Request) error {
	if err := checkFetchMetadata(r.Header); err != nil {
		return err
	}
	report := s.examine(r)
	w.Header().Add("Vary", "Accept")
	if wantsPage(r) {
		return s.show(w, http.StatusOK, "echo", s.echoView(r, report))
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if r.URL.Query().Has("pretty") {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(report); err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, web.JSON, body.String())
}

func (s *Server) echoView(r *http.Request, report doctor.Report) echoView {
	view := echoView{
		chrome:     s.chrome(r),
		RemoteAddr: report.RemoteAddr,
		Chosen:     report.Token.Header,
		Why:        report.Token.Why,
	}
	for _, name := range sortedNames(report.Headers) {
		view.Headers = append(view.Headers, echoHeader{
			Name:     name,
			Values:   report.Headers[name],
			Chosen:   report.Token.Header != "" && strings.EqualFold(name, report.Token.Header),
			Identity: slices.ContainsFunc(s.options.Identity, func(one string) bool { return strings.EqualFold(one, name) }),
		})
	}
	for _, name := range sortedNames(report.Parameters) {
		view.Parameters = append(view.Parameters, echoParameter{Name: name, Values: report.Parameters[name]})
	}
	for _, found := range report.Verdicts {
		view.Verdicts = append(view.Verdicts, verdictView(found))
	}
	return view
}

func sortedNames[V any](values map[string]V) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// verdictView groups the steps of each gateway.
func verdictView(found doctor.Verdict) verdict {
	shown := verdict{Level: string(found.Level), Title: found.Title, Text: found.Text}
	for _, one := range found.Fixes {
		at := slices.IndexFunc(shown.Fixes, func(f fix) bool { return f.Gateway == one.Gateway })
		if at < 0 {
			at = len(shown.Fixes)
			shown.Fixes = append(shown.Fixes, fix{Gateway: one.Gateway})
		}
		shown.Fixes[at].Steps = append(shown.Fixes[at].Steps, step{one.Text, one.Code})
	}
	return shown
}
