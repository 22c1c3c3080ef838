// Package openapi holds the gateway door's contract: what may be asked there, and what is answered.
//
// openapi.yaml is written by hand and is the source. openapi.json is the same document,
// written from it by this package's tests, so that the program needs no YAML reader:
//
//	go test ./openapi -run JSON -update
package openapi

import _ "embed"

//go:embed openapi.yaml
var yamlText string

//go:embed openapi.json
var jsonText string

// YAML is the document as it was written, in UTF-8.
//
// Its only server is the relative address "./", which a reader resolves against the
// address that the document came from; so the text is the same under every prefix.
func YAML() string { return yamlText }

// JSON is the document as JSON, in UTF-8, with the members in the order of the YAML text.
func JSON() string { return jsonText }
