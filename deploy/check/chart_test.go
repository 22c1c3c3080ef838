package check_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	strict "sigs.k8s.io/yaml"
)

const chartFolder = "deploy/helm/token2go"

// needed are the values that the chart cannot know.
const needed = `
publicURL: https://token.example.org
gateway: {issuerURL: "https://id.example.org/realms/main"}
`

func values(t testing.TB, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := strict.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// template does what `helm template` does: it checks the values against the schema and
// renders the chart with them.
func template(t testing.TB, text string) (string, error) {
	t.Helper()
	c, err := loader.Load(filepath.Join(top, chartFolder))
	if err != nil {
		t.Fatal(err)
	}
	return render(c, values(t, text))
}

func render(c *chart.Chart, v map[string]any) (string, error) {
	release := chartutil.ReleaseOptions{Name: "token2go", Namespace: "auth", IsInstall: true}
	merged, err := chartutil.ToRenderValues(c, v, release, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, merged)
	if err != nil {
		return "", err
	}
	var manifests []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			manifests = append(manifests, files[name])
		}
	}
	return strings.Join(manifests, "\n---\n"), nil
}

func TestChartPassesHelmLint(t *testing.T) {
	for _, text := range []string{"", needed} {
		found := lint.All(filepath.Join(top, chartFolder), values(t, text), "auth", true)
		for _, message := range found.Messages {
			if message.Severity > support.InfoSev {
				t.Error(message)
			}
		}
		if len(found.Messages) == 0 { // it always has something to say of the icon
			t.Error("nothing was linted")
		}
	}
}

func TestChartRendersValidManifests(t *testing.T) {
	for _, test := range []struct {
		name, values string
		sidecar      bool
	}{
		{"as it comes", needed, true},
		{"with everything", needed + `
replicas: 1
env: {T2G_FLOW_CONSENT: always, T2G_MAX_HEADER_BYTES: 131072, T2G_OPS_PPROF: false}
ingress: {enabled: true, className: nginx, tlsSecret: token-tls, annotations: {a: b}}
podMonitor: {enabled: true, labels: {release: prometheus}}
podAnnotations: {a: b}
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
`, true},
		{"with a gateway elsewhere", `
publicURL: https://token.example.org
tokenHeader: X-Access-Token
gateway: {enabled: false}
networkPolicy: {gatewayFrom: [{podSelector: {matchLabels: {app: gateway}}}]}
podMonitor: {enabled: true}
`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifests, err := template(t, test.values)
			if err != nil {
				t.Fatal(err)
			}
			c, err := decode([]byte(manifests))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.services) != 1 || len(c.policies) != 1 {
				t.Errorf("got %d services and %d network policies, want one of each", len(c.services), len(c.policies))
			}
			c.checkPod(t, test.sidecar)
			c.checkNetwork(t, test.sidecar)
		})
	}
}

func TestChartRejectsUnusableValues(t *testing.T) {
	for _, test := range []struct{ name, values, want string }{
		{"no address", `gateway: {issuerURL: "https://id.example.org"}`, "publicURL"},
		{"no issuer", `publicURL: https://token.example.org`, "issuerURL"},
		{"a name that does not exist", needed + `replicaCount: 2`, "replicaCount"},
		{"a variable of another program", needed + `env: {OAUTH2_PROXY_COOKIE_SECRET: x}`, "OAUTH2_PROXY_COOKIE_SECRET"},
		{"several headers", needed + `tokenHeader: "X-Access-Token,Authorization"`, "tokenHeader"},
		{"no gateway anywhere", "publicURL: https://token.example.org\ngateway: {enabled: false}", "gatewayFrom"},
		{"every address as the gateway", "publicURL: https://token.example.org\ngateway: {enabled: false}\n" +
			"networkPolicy: {enabled: false, gatewayFrom: [{}]}", "networkPolicy.enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := template(t, test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to name %s", err, test.want)
			}
		})
	}
}
