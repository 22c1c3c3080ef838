package check_test

import (
	"strings"
	"testing"
)

func TestChartAcceptsEveryVariable(t *testing.T) {
	manifests, err := template(t, needed+`
env: {T2G_MAX_HEADER_BYTES: 1048576, T2G_DRAIN_DELAY: 7s, T2G_UI_SIGN_OUT_URL: /elsewhere, T2G_OPS_PPROF: true}
identityHeaders: [X-User]
`)
	if err != nil {
		t.Fatal(err)
	}
	c, err := decode([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	pairs := environment(container(t, c.pod(t), "token2go"))
	names := map[string]int{}
	for _, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		names[name]++
		if names[name] > 1 {
			t.Errorf("%s is set twice", name)
		}
	}
	config := configured(t, pairs)
	for name, want := range map[string]string{
		"T2G_MAX_HEADER_BYTES": "1048576", "T2G_DRAIN_DELAY": "7s", "T2G_UI_SIGN_OUT_URL": "/elsewhere",
		"T2G_UI_SIGN_IN_URL": "/oauth2/sign_in", "T2G_OPS_PPROF": "true", "T2G_IDENTITY_HEADER_NAMES": "X-User",
	} {
		if config[name] != want {
			t.Errorf("got %s=%s, want %s", name, config[name], want)
		}
	}
}

func TestChartPolicyAllowsProvider(t *testing.T) {
	manifests, err := template(t, needed+`
networkPolicy: {egress: [{ports: [{port: 8443}]}]}
`)
	if err != nil {
		t.Fatal(err)
	}
	c, err := decode([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	rules := c.policies[0].Spec.Egress
	if len(rules) != 1 || len(rules[0].Ports) != 1 || rules[0].Ports[0].Port.IntValue() != 8443 {
		t.Errorf("got %+v, want port 8443 alone", rules)
	}
}

func TestChartRejectsWaysAroundGateway(t *testing.T) {
	const elsewhere = "publicURL: https://token.example.org\ngateway: {enabled: false}\n" +
		"networkPolicy: {gatewayFrom: [{podSelector: {matchLabels: {app: gateway}}}]}\n"
	for _, test := range []struct{ name, values, want string }{
		{"an ingress without authentication", elsewhere + "ingress: {enabled: true}", "ingress.annotations"},
		{"a listener on every interface", needed + "env: {T2G_SERVER_HOST: 0.0.0.0}", "T2G_SERVER_HOST"},
		{"other headers beside the value for them", needed + "env: {T2G_TOKEN_HEADER_NAMES: Token}", "T2G_TOKEN_HEADER_NAMES"},
		{"a name from any header", needed + "identityHeaders: []", "identityHeaders"},
		{"a path, which oauth2-proxy would not know", strings.Replace(needed, "token.example.org", "example.org/token", 1), "publicURL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := template(t, test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to name %s", err, test.want)
			}
		})
	}
	asking := elsewhere + "ingress: {enabled: true, annotations: {nginx.ingress.kubernetes.io/auth-url: http://oauth2-proxy/oauth2/auth}}"
	if _, err := template(t, asking); err != nil {
		t.Errorf("got %v for an ingress that asks", err)
	}
}
