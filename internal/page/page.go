// Package page renders the embedded templates and serves the embedded files: hashing,
// compression and ETags are decided here alone.
package page

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/token2go/token2go/static"
)

const layout = "layout.html"

// Pages are the parsed templates, and the files that they load.
type Pages struct {
	byName map[string]*template.Template // index, question, paste, form, problem, echo
	files  *assets
}

// New parses every embedded template and hashes every embedded file, so that they cannot
// fail later.
func New() (*Pages, error) {
	files, err := newAssets()
	if err != nil {
		return nil, err
	}
	templates, err := fs.Sub(static.Templates, "templates")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templates, "*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{byName: map[string]*template.Template{}, files: files}
	for _, name := range names {
		if name == layout {
			continue
		}
		parsed, err := template.New(layout).Funcs(functions(files)).ParseFS(templates, layout, name)
		if err != nil {
			return nil, err
		}
		p.byName[strings.TrimSuffix(name, ".html")] = parsed
	}
	return p, nil
}

func functions(files *assets) template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) (string, error) {
			if path := files.path(name); path != "" {
				return path, nil
			}
			return "", fmt.Errorf("asset %s: %w", name, ErrNotFound)
		},
		"imports":  files.imports,
		"action":   action,
		"rich":     rich,
		"sentence": sentence,
		"spans":    spans,
		"short":    short,
	}
}

// Render writes the page, whole or not at all: the template runs before anything is
// sent, so that after an error another answer can still be given.
func (p *Pages) Render(w http.ResponseWriter, status int, page string, view any) error {
	parsed := p.byName[page]
	if parsed == nil {
		return fmt.Errorf("page %s: %w", page, ErrNotFound)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, view); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a client may have gone
	return nil
}

// action is a form's action attribute, for a path or an http address; for any other it is
// empty. The template engine would rewrite characters of a URL, and a target must stay the
// same byte for byte.
func action(address string) template.HTMLAttr {
	for _, begin := range []string{"/", "http://", "https://"} {
		if strings.HasPrefix(address, begin) {
			return template.HTMLAttr(`action="` + template.HTMLEscapeString(address) + `"`) //nolint:gosec // escaped
		}
	}
	return ""
}

// short returns the beginning of a fingerprint, enough for a person to compare two.
func short(fingerprint string) string {
	const length = 12
	if len(fingerprint) <= length {
		return fingerprint
	}
	return fingerprint[:length]
}

// sentence makes a sentence of an error's text: "a, not b" becomes "A, not b.", with its stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?:") {
		text += "."
	}
	return text
}

// block is a paragraph, or lines of code.
type block struct {
	Code  string
	Spans []span
}

// span is a piece of a paragraph.
type span struct {
	Text string
	Code bool
}

// rich parses light markup: text in `backticks` is code, and so are lines that
// begin with four spaces or a tab. Nothing in it becomes HTML.
func rich(text string) []block {
	var blocks []block
	var lines []string // of the block that has begun
	inCode := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \r\n")
		indented, isCode := strings.CutPrefix(strings.ReplaceAll(line, "\t", "    "), "    ")
		if isCode {
			line = indented
		}
		if line == "" && !isCode || isCode != inCode {
			blocks = appendBlock(blocks, lines, inCode)
			lines, inCode = nil, isCode
		}
		if line != "" || isCode {
			lines = append(lines, line)
		}
	}
	return appendBlock(blocks, lines, inCode)
}

func appendBlock(blocks []block, lines []string, isCode bool) []block {
	switch {
	case len(lines) == 0:
		return blocks
	case isCode:
		return append(blocks, block{Code: strings.Join(lines, "\n")})
	}
	return append(blocks, block{Spans: spans(strings.Join(lines, " "))})
}

// spans splits at pairs of backticks; an unpaired one is an ordinary character.
func spans(text string) []span {
	var parts []span
	for {
		before, rest, opened := strings.Cut(text, "`")
		inside, after, closed := strings.Cut(rest, "`")
		if !opened || !closed {
			return append(parts, span{Text: text})
		}
		parts = append(parts, span{Text: before}, span{Text: inside, Code: true})
		text = after
	}
}
