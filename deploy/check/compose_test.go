package check_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t testing.TB) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(top, "deploy/compose/compose.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context()) // strict: against the schema of the Compose specification
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposePublishesGatewayOnly(t *testing.T) {
	project := compose(t)
	server := project.Services["token2go"]
	if len(server.Ports) > 0 {
		t.Errorf("the server is published at %v", server.Ports)
	}
	for network := range server.Networks {
		if !project.Networks[network].Internal {
			t.Errorf("network %s leads out", network)
		}
		for name, service := range project.Services {
			if _, there := service.Networks[network]; there && name != "token2go" && name != "gateway" {
				t.Errorf("%s shares the server's network", name)
			}
		}
	}
	if !server.ReadOnly || !slices.Equal(server.CapDrop, []string{"ALL"}) {
		t.Error("the server could write or has capabilities")
	}
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published at %q, and its secrets are public", name, port.HostIP)
			}
		}
	}
}

func TestComposeSetsKnownVariables(t *testing.T) {
	var pairs []string
	for name, value := range compose(t).Services["token2go"].Environment {
		pairs = append(pairs, name+"="+*value)
	}
	config := configured(t, pairs)
	if got := config["T2G_TOKEN_HEADER_NAMES"]; got != "X-Forwarded-Access-Token" {
		t.Errorf("tokens are taken from %s, want X-Forwarded-Access-Token", got)
	}
	if got := config["T2G_IDENTITY_HEADER_NAMES"]; got != "X-Forwarded-Preferred-Username,X-Forwarded-Email" {
		t.Errorf("people's names are taken from %s, want headers that the gateway sets", got)
	}
}

// realm is what of Keycloak's realm file must agree with the gateway's flags.
type realm struct {
	Realm   string
	Clients []struct {
		ClientID, Secret string
		RedirectUris     []string
	}
	Users []struct{ Username, Email string }
}

func TestComposeFlagsMatchRealm(t *testing.T) {
	project := compose(t)
	var r realm
	if err := json.Unmarshal(read(t, "deploy/compose/realm.json"), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Clients) != 1 || len(r.Users) == 0 {
		t.Fatalf("got %+v, want one client and a person", r)
	}
	client, keycloak := r.Clients[0], project.Services["keycloak"]
	front := *keycloak.Environment["KC_HOSTNAME"] + "/realms/" + r.Realm
	const back = "http://keycloak:8180/realms/token2go"
	for flag, want := range map[string]string{
		"upstream":        "http://token2go:8080/",
		"client-id":       client.ClientID,
		"client-secret":   client.Secret,
		"redirect-url":    client.RedirectUris[0],
		"oidc-issuer-url": front,
		"login-url":       front + "/protocol/openid-connect/auth",
		"redeem-url":      back + "/protocol/openid-connect/token",
		"oidc-jwks-url":   back + "/protocol/openid-connect/certs",
	} {
		if got := flagValue(project.Services["gateway"], flag); got != want {
			t.Errorf("got --%s=%s, want %s", flag, got, want)
		}
	}
	if got := len(flagValue(project.Services["gateway"], "cookie-secret")); got != 32 {
		t.Errorf("the cookie secret has %d bytes, want 32", got)
	}
	if got := keycloak.Ports; len(got) != 1 || got[0].Target != 8180 || got[0].Published != "8180" {
		t.Errorf("got ports %v, want the issuer's, inside and outside", got)
	}
}

func flagValue(service types.ServiceConfig, flag string) string {
	for _, argument := range service.Command {
		if value, found := strings.CutPrefix(argument, "--"+flag+"="); found {
			return value
		}
	}
	return ""
}
