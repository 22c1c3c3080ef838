// Package openapi contains the contract of each listener: its requests and their answers.
//
// The YAML texts are written by hand and are the source. The gateway listener's is there as
// JSON, too, written from it by this package's tests, so that the program needs no YAML
// reader:
//
//	go test ./openapi -run JSON -update
package openapi

import _ "embed"

//go:embed gateway.yaml
var gatewayYAML string

//go:embed api.yaml
var apiYAML string

//go:embed gateway.json
var gatewayJSON string

// GatewayYAML is the gateway listener's document as it was written, in UTF-8.
//
// Its only server is the relative address "./", which a reader resolves against the
// address that the document came from; so the text is the same under every prefix.
func GatewayYAML() string { return gatewayYAML }

// GatewayJSON is the same document as JSON, with the members in the order of the YAML text.
func GatewayJSON() string { return gatewayJSON }

// APIYAML is the API listener's document as it was written, in UTF-8.
func APIYAML() string { return apiYAML }
