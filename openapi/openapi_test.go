package openapi_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"github.com/token2go/token2go/internal/problem"
	"github.com/token2go/token2go/openapi"
)

var update = flag.Bool("update", false, "write gateway.json from gateway.yaml")

// load reads the gateway listener's document.
func load(t *testing.T) *openapi3.T {
	t.Helper()
	return parse(t, openapi.GatewayYAML())
}

// loadAll reads the documents of all listeners.
func loadAll(t *testing.T) []*openapi3.T {
	t.Helper()
	return []*openapi3.T{load(t), parse(t, openapi.APIYAML())}
}

func parse(t *testing.T, text string) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestDocumentAndExamplesAreValid(t *testing.T) {
	for _, document := range loadAll(t) {
		checkDocument(t, document)
	}
}

func checkDocument(t *testing.T, document *openapi3.T) {
	t.Helper()
	if err := document.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaPatternValidation()); err != nil {
		t.Error(err)
	}
	if document.OpenAPI != "3.0.3" {
		t.Errorf("got OpenAPI %s, want 3.0.3", document.OpenAPI)
	}
}

func TestJSONEqualsYAML(t *testing.T) {
	want, err := fromYAML(openapi.GatewayYAML())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("gateway.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if openapi.GatewayJSON() != string(want) {
		t.Error("gateway.json differs from gateway.yaml; run: go test ./openapi -run JSON -update")
	}
}

func TestDocumentedKindsEqualProblemKinds(t *testing.T) {
	var listed []string
	for _, document := range loadAll(t) {
		for _, kind := range document.Components.Schemas["ProblemKind"].Value.Enum {
			listed = append(listed, fmt.Sprint(kind))
		}
	}
	var known []string
	for _, kind := range problem.Kinds() {
		known = append(known, string(kind))
	}
	slices.Sort(listed)
	listed = slices.Compact(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("got  %q\nwant %q", listed, known)
	}
}

// A response lists its kinds by the enum in its schema, and shows them by examples.
func TestKindsHaveExamples(t *testing.T) {
	listed, shown := map[problem.Kind]bool{}, map[problem.Kind]bool{}
	for where, response := range responses(loadAll(t)...) {
		media := response.Content.Get(problem.MediaType)
		if media == nil {
			continue
		}
		for _, kind := range kindsOf(media.Schema.Value) {
			listed[kind] = true
			// nginx gets 403 for every status that it would turn into 500.
			if !strings.HasSuffix(where, strconv.Itoa(kind.Status())) && !strings.Contains(where, "/verify/nginx 403") {
				t.Errorf("%s lists %s, which has status %d", where, kind, kind.Status())
			}
		}
		for _, example := range examplesOf(media) {
			shown[checkExample(t, where, example)] = true
		}
	}
	for _, kind := range problem.Kinds() {
		if !listed[kind] || !shown[kind] {
			t.Errorf("%s: listed %t, shown %t, want both", kind, listed[kind], shown[kind])
		}
	}
}

// checkExample compares an example with what the program would send for its kind.
func checkExample(t *testing.T, where string, example any) problem.Kind {
	t.Helper()
	encoded, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct{ Type, Kind, Title string }
	if err := json.Unmarshal(encoded, &fields); err != nil {
		t.Fatal(err)
	}
	kind := problem.Kind(fields.Kind)
	if got, want := fields.Title, kind.Title(); got != want {
		t.Errorf("%s: example of %s has title %q, want %q", where, kind, got, want)
	}
	if got, want := fields.Type, "urn:token2go:problem:"+fields.Kind; got != want {
		t.Errorf("%s: example has type %q, want %q", where, got, want)
	}
	return kind
}

func TestRefusalsHavePageAndNoStore(t *testing.T) {
	refusals := 0
	for where, response := range responses(load(t)) {
		if response.Content.Get(problem.MediaType) == nil {
			continue
		}
		refusals++
		if response.Content["text/html"] == nil {
			t.Errorf("%s has no page", where)
		}
		if response.Headers["Cache-Control"] == nil {
			t.Errorf("%s does not say no-store", where)
		}
	}
	if refusals == 0 {
		t.Error("no refusal is described")
	}
}

func TestOperationsListCommonRefusals(t *testing.T) {
	operations := 0
	for _, document := range loadAll(t) {
		for path, item := range document.Paths.Map() {
			for method, operation := range item.Operations() {
				operations++
				checkRefusals(t, method+" "+path, operation)
			}
		}
	}
	if operations == 0 {
		t.Error("no operation is described")
	}
}

func checkRefusals(t *testing.T, where string, operation *openapi3.Operation) {
	t.Helper()
	for _, status := range []string{"403", "405", "421", "431", "500"} {
		everyMethod := strings.Contains(where, "/verify") || strings.Contains(where, "/s/") // answers every method; nginx gets 403 instead
		if operation.Responses.Value(status) == nil && !everyMethod {
			t.Errorf("%s has no %s", where, status)
		}
	}
	if operation.Responses.Default() != nil {
		t.Errorf("%s has a default response, which lets anything pass", where)
	}
}

func TestSchemasRejectUnknownMembers(t *testing.T) {
	open, optional := []string{"Document", "Config", "IntrospectionForm"}, []string{"KeyChange", "Revocation", "PassRevocation", "PassAttenuation"}
	schemas := load(t).Components.Schemas
	maps.Copy(schemas, parse(t, openapi.APIYAML()).Components.Schemas)
	for name, schema := range schemas {
		if !schema.Value.Type.Is("object") || slices.Contains(open, name) {
			continue
		}
		if allowed := schema.Value.AdditionalProperties.Has; allowed == nil || *allowed {
			t.Errorf("%s lets unknown members pass", name)
		}
		if len(schema.Value.Required) == 0 && !slices.Contains(optional, name) {
			t.Errorf("%s requires nothing", name)
		}
	}
}

func TestExampleFingerprintFitsToken(t *testing.T) {
	examples := load(t).Paths.Value("/token").Get.Responses.Value("200").Value.Content.Get("application/json").Examples
	if len(examples) == 0 {
		t.Fatal("no example of a token")
	}
	for name, example := range examples {
		fields := example.Value.Value.(map[string]any)
		sum := sha512.Sum512_256([]byte("03c49494-c1f3-4b3c-a9e3-28b1c4e42177" + fields["secret"].(string)))
		if got, want := fields["fingerprint"], hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestServerIsRelative(t *testing.T) {
	servers := load(t).Servers
	if len(servers) != 1 || servers[0].URL != "./" {
		t.Errorf("got %+v, want the one server ./, which holds under every prefix", servers)
	}
}

// responses lists every operation's responses by "TITLE METHOD /path STATUS".
func responses(documents ...*openapi3.T) map[string]*openapi3.Response {
	all := map[string]*openapi3.Response{}
	for _, document := range documents {
		for path, item := range document.Paths.Map() {
			for method, operation := range item.Operations() {
				for status, response := range operation.Responses.Map() {
					all[document.Info.Title+" "+method+" "+path+" "+status] = response.Value
				}
			}
		}
	}
	return all
}

func kindsOf(schema *openapi3.Schema) (kinds []problem.Kind) {
	for _, part := range schema.AllOf {
		if kind := part.Value.Properties["kind"]; part.Ref == "" && kind != nil {
			for _, name := range kind.Value.Enum {
				kinds = append(kinds, problem.Kind(fmt.Sprint(name)))
			}
		}
	}
	return kinds
}

func examplesOf(media *openapi3.MediaType) (examples []any) {
	if media.Example != nil {
		examples = append(examples, media.Example)
	}
	for _, example := range media.Examples {
		examples = append(examples, example.Value.Value)
	}
	return examples
}

// fromYAML writes a YAML document as indented JSON, members in the order of the text,
// which is the order in which readers such as Swagger UI show them.
func fromYAML(text string) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, err
	}
	compact, err := appendJSON(nil, document.Content[0])
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	err = json.Indent(&indented, append(compact, '\n'), "", "  ")
	return indented.Bytes(), err
}

func appendJSON(text []byte, node *yaml.Node) ([]byte, error) {
	switch node.Kind {
	case yaml.MappingNode:
		return appendMembers(text, node.Content)
	case yaml.SequenceNode:
		return appendItems(text, node.Content)
	case yaml.ScalarNode:
		return appendScalar(text, node)
	default:
		return nil, fmt.Errorf("line %d: an anchor or alias, which this document does without", node.Line)
	}
}

func appendMembers(text []byte, nodes []*yaml.Node) ([]byte, error) {
	text = append(text, '{')
	for i := 0; i < len(nodes); i += 2 {
		if i > 0 {
			text = append(text, ',')
		}
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: nodes[i].Value}
		var err error
		if text, err = appendScalar(text, name); err != nil {
			return nil, err
		}
		if text, err = appendJSON(append(text, ':'), nodes[i+1]); err != nil {
			return nil, err
		}
	}
	return append(text, '}'), nil
}

func appendItems(text []byte, nodes []*yaml.Node) ([]byte, error) {
	text = append(text, '[')
	for i, node := range nodes {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = appendJSON(text, node); err != nil {
			return nil, err
		}
	}
	return append(text, ']'), nil
}

func appendScalar(text []byte, node *yaml.Node) ([]byte, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, err
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return append(text, bytes.TrimSpace(encoded.Bytes())...), nil
}
