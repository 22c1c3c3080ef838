package check_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"testing"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/oauth2/v3" // named in the recipe
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	mesh "istio.io/api/mesh/v1alpha1"
	traffic "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

var fenced = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// blocks are the pieces of YAML in a recipe.
func blocks(t testing.TB, path string, want int) (found [][]byte) {
	t.Helper()
	for _, block := range fenced.FindAllSubmatch(read(t, path), -1) {
		found = append(found, block[1])
	}
	if len(found) != want {
		t.Fatalf("got %d blocks of YAML in %s, want %d", len(found), path, want)
	}
	return found
}

// decodeStrict reads YAML as strictly as the API's type allows, and applies the rules that
// the type has for its values.
func decodeStrict(text []byte, into proto.Message) error {
	document, err := strict.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(document, into); err != nil {
		return err
	}
	if ruled, is := into.(interface{ ValidateAll() error }); is {
		return ruled.ValidateAll()
	}
	return nil
}

func TestEnvoyRecipeIsValid(t *testing.T) {
	found := blocks(t, "deploy/gateways/envoy/README.md", 2)
	filters := new(manager.HttpConnectionManager)
	whole := append([]byte("stat_prefix: token2go\nrds: {route_config_name: token2go, config_source: {ads: {}}}\n"), found[0]...)
	if err := decodeStrict(whole, filters); err != nil {
		t.Fatal(err)
	}
	if len(filters.GetHttpFilters()) != 2 {
		t.Errorf("got %d filters, want the sign-in's and the router", len(filters.GetHttpFilters()))
	}
	for _, filter := range filters.GetHttpFilters() {
		config, err := filter.GetTypedConfig().UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		if err := config.(interface{ ValidateAll() error }).ValidateAll(); err != nil { //nolint:forcetypeassert // every one of Envoy's is
			t.Errorf("%s: %v", filter.GetName(), err)
		}
	}
	if err := decodeStrict(found[1], new(route.Route)); err != nil {
		t.Error(err)
	}
}

func TestIstioRecipeIsValid(t *testing.T) {
	found := blocks(t, "deploy/gateways/istio/README.md", 2)
	if err := decodeStrict(found[0], new(mesh.MeshConfig)); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(found[1], []byte(`hosts: [token.example.org, "token.example.org:*"]`)) {
		t.Error("with a port after the host's name, no session is asked for")
	}
	kinds := map[string]int{}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(found[1])))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, err := meshObject(document)
		if err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
		kinds[kind]++
	}
	if kinds["AuthorizationPolicy"] != 2 || kinds["VirtualService"] != 1 {
		t.Errorf("got %v, want who is asked, where it leads, and who may come", kinds)
	}
}

// meshObject reads one of Istio's objects.
func meshObject(document []byte) (kind string, err error) {
	var object struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace string }
		Spec             json.RawMessage
	}
	if err := strict.UnmarshalStrict(document, &object); err != nil {
		return "", err
	}
	switch object.APIVersion + " " + object.Kind {
	case "security.istio.io/v1 AuthorizationPolicy":
		return object.Kind, protojson.Unmarshal(object.Spec, new(security.AuthorizationPolicy))
	case "networking.istio.io/v1 VirtualService":
		return object.Kind, protojson.Unmarshal(object.Spec, new(traffic.VirtualService))
	}
	return object.Kind, errors.New("this test does not know " + object.APIVersion + " " + object.Kind)
}

// Of the statuses that an authority answers, Envoy takes 200 alone for a yes.
func TestEnvoyRecipesAnswer200(t *testing.T) {
	static := regexp.MustCompile(`--upstream=static://(\d+)`)
	for _, recipe := range []string{"deploy/gateways/envoy/README.md", "deploy/gateways/istio/README.md"} {
		found := static.FindAllSubmatch(read(t, recipe), -1)
		if len(found) != 1 || string(found[0][1]) != "200" {
			t.Errorf("%s: got %s, want static://200 once", recipe, found)
		}
	}
}
