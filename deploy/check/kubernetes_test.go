package check_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// The server's port that only the gateway may reach, and the one for operators.
const (
	gatewayPort = 8080
	opsPort     = 8082
)

// cluster is what a set of manifests would make in a cluster.
type cluster struct {
	accounts    []core.ServiceAccount
	deployments []apps.Deployment
	services    []core.Service
	ingresses   []networking.Ingress
	policies    []networking.NetworkPolicy
	budgets     []policy.PodDisruptionBudget
	monitors    []monitoring.PodMonitor
}

// decode reads manifests as strictly as the API types allow: no field that they do not
// know, none given twice.
func decode(manifests []byte) (*cluster, error) {
	c := new(cluster)
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		if err := c.add(document); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
	}
}

func (c *cluster) add(document []byte) error {
	var kind meta.TypeMeta
	if err := strict.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.GroupVersionKind().String() {
	case "/, Kind=": // a comment
		return nil
	case "/v1, Kind=ServiceAccount":
		return appendTo(document, &c.accounts)
	case "apps/v1, Kind=Deployment":
		return appendTo(document, &c.deployments)
	case "/v1, Kind=Service":
		return appendTo(document, &c.services)
	case "networking.k8s.io/v1, Kind=Ingress":
		return appendTo(document, &c.ingresses)
	case "networking.k8s.io/v1, Kind=NetworkPolicy":
		return appendTo(document, &c.policies)
	case "policy/v1, Kind=PodDisruptionBudget":
		return appendTo(document, &c.budgets)
	case "monitoring.coreos.com/v1, Kind=PodMonitor":
		return appendTo(document, &c.monitors)
	}
	return fmt.Errorf("this test does not know %s", kind.GroupVersionKind())
}

func appendTo[T any](document []byte, objects *[]T) error {
	var object T
	if err := strict.UnmarshalStrict(document, &object); err != nil {
		return err
	}
	*objects = append(*objects, object)
	return nil
}

// pod is the one pod template of the manifests.
func (c *cluster) pod(t testing.TB) core.PodTemplateSpec {
	t.Helper()
	if len(c.deployments) != 1 {
		t.Fatalf("got %d deployments, want 1", len(c.deployments))
	}
	return c.deployments[0].Spec.Template
}

func container(t testing.TB, pod core.PodTemplateSpec, name string) core.Container {
	t.Helper()
	for _, c := range pod.Spec.Containers {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no container is called %s", name)
	return core.Container{}
}

// environment is that of a container, as far as the manifest gives it.
func environment(c core.Container) (pairs []string) {
	for _, variable := range c.Env {
		if variable.ValueFrom == nil {
			pairs = append(pairs, variable.Name+"="+variable.Value)
		}
	}
	return pairs
}

// server is the path of the program, built once.
func server(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var built = sync.OnceValues(func() (string, error) {
	return filepath.Join(scratch, "token2go-server"), process.Build(top, scratch, "./cmd/token2go-server")
})

// configured is what the server makes of variables: names and values as they take effect.
func configured(t testing.TB, pairs []string) map[string]string {
	t.Helper()
	c := exec.Command(server(t), "config")
	c.Env = pairs
	effective := map[string]string{}
	for line := range strings.Lines(run(t, c)) {
		_, pair, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		effective[name] = value
	}
	return effective
}

// checkPod checks what every pod must meet. Sidecar says
// that oauth2-proxy is in it; otherwise the gateway comes from elsewhere.
func (c *cluster) checkPod(t *testing.T, sidecar bool) {
	pod := c.pod(t)
	config := configured(t, environment(container(t, pod, "token2go")))
	want := "0.0.0.0"
	if sidecar {
		want = "127.0.0.1"
	}
	if got := config["T2G_SERVER_HOST"]; got != want {
		t.Errorf("the gateway listener is on %s, want %s", got, want)
	}
	if got := config["T2G_OPS_HOST"]; got != "0.0.0.0" {
		t.Errorf("the ops listener is on %s, where neither the kubelet nor Prometheus can reach it", got)
	}
	if got := config["T2G_TOKEN_HEADER_NAMES"]; strings.Contains(got, ",") || got == "" {
		t.Errorf("tokens are taken from %s, want one header that the gateway sets", got)
	}
	names := config["T2G_IDENTITY_HEADER_NAMES"]
	if sidecar && names != "X-Forwarded-Preferred-Username,X-Forwarded-Email" || names == configured(t, nil)["T2G_IDENTITY_HEADER_NAMES"] {
		t.Errorf("people's names are taken from %s, want headers that the gateway sets", names)
	}
	checkProbes(t, container(t, pod, "token2go"))
	checkSecurity(t, pod)
	checkShutdown(t, pod, config, sidecar)
	if on := pod.Spec.EnableServiceLinks; on == nil || *on {
		t.Error("service links are on: a Service called t2g would stop the server")
	}
}

func checkProbes(t *testing.T, c core.Container) {
	ports := map[string]int32{}
	for _, port := range c.Ports {
		ports[port.Name] = port.ContainerPort
	}
	if ports["ops"] != opsPort {
		t.Errorf("got ports %v, want ops at %d", ports, opsPort)
	}
	for _, probe := range []struct {
		name, path string
		got        *core.Probe
	}{{"startup", "/health", c.StartupProbe}, {"readiness", "/ready", c.ReadinessProbe}, {"liveness", "/health", c.LivenessProbe}} {
		if probe.got == nil || probe.got.HTTPGet == nil {
			t.Errorf("no %s probe", probe.name)
			continue
		}
		if get := probe.got.HTTPGet; get.Path != probe.path || get.Port != intstr.FromString("ops") {
			t.Errorf("the %s probe asks %s at %s, want %s at ops", probe.name, get.Path, get.Port.String(), probe.path)
		}
	}
}

// checkSecurity checks that every container meets the restricted pod security standard, and to a
// root that cannot be written.
func checkSecurity(t *testing.T, pod core.PodTemplateSpec) {
	shared := pod.Spec.SecurityContext
	if shared == nil || shared.RunAsNonRoot == nil || !*shared.RunAsNonRoot || shared.SeccompProfile == nil ||
		shared.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("got %+v for the pod, want no root and the runtime's seccomp profile", shared)
	}
	if mount := pod.Spec.AutomountServiceAccountToken; mount == nil || *mount {
		t.Error("the pod is given a token for the cluster's API, and has no use for it")
	}
	for _, c := range pod.Spec.Containers {
		own := c.SecurityContext
		if own == nil || own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation ||
			own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem ||
			own.Capabilities == nil || !slices.Equal(own.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("got %+v for %s, want no escalation, a read-only root and no capability", own, c.Name)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() {
			t.Errorf("%s has no bound on its memory", c.Name)
		}
	}
}

// checkShutdown checks that no container is killed before it has drained, and that the server
// outlives the gateway in front of it.
func checkShutdown(t *testing.T, pod core.PodTemplateSpec, config map[string]string, sidecar bool) {
	drain, shutdown := duration(t, config["T2G_DRAIN_DELAY"]), duration(t, config["T2G_SHUTDOWN_TIMEOUT"])
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		t.Fatal("no termination grace period")
	}
	grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
	if grace < drain+shutdown {
		t.Errorf("killed after %v, want at least %v", grace, drain+shutdown)
	}
	if !sidecar {
		return
	}
	leaving := container(t, pod, "oauth2-proxy").Lifecycle
	if leaving == nil || leaving.PreStop == nil || leaving.PreStop.Sleep == nil {
		t.Fatal("oauth2-proxy ends before the nodes have heard of it")
	}
	if stays := time.Duration(leaving.PreStop.Sleep.Seconds) * time.Second; stays >= drain {
		t.Errorf("the server takes requests for %v, oauth2-proxy sends them for %v", drain, stays)
	}
}

func duration(t testing.TB, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkNetwork checks that everything which selects the pod selects it by labels that it has,
// that nothing but the gateway leads to the gateway listener, and that the named ports exist.
func (c *cluster) checkNetwork(t *testing.T, sidecar bool) {
	pod := c.pod(t)
	labels := pod.Labels
	fits := func(what string, selector map[string]string) {
		for name, value := range selector {
			if labels[name] != value {
				t.Errorf("the %s selects %s=%s, and the pod has %v", what, name, value, labels)
			}
		}
		if len(selector) == 0 {
			t.Errorf("the %s selects every pod", what)
		}
	}
	ports := map[string]int32{}
	for _, each := range pod.Spec.Containers {
		for _, port := range each.Ports {
			ports[port.Name] = port.ContainerPort
		}
	}
	if slices.Contains(slices.Collect(maps.Values(ports)), gatewayPort) == sidecar {
		t.Errorf("got ports %v with a side-car: %v", ports, sidecar)
	}
	fits("deployment", c.deployments[0].Spec.Selector.MatchLabels)
	if len(pod.Spec.TopologySpreadConstraints) == 0 {
		t.Error("all pods may be on one node")
	}
	for _, spread := range pod.Spec.TopologySpreadConstraints {
		fits("spread", spread.LabelSelector.MatchLabels)
	}
	for _, service := range c.services {
		fits("service", service.Spec.Selector)
		for _, port := range service.Spec.Ports {
			if to, found := ports[port.TargetPort.String()]; !found || to == opsPort {
				t.Errorf("the service leads to port %s, want the gateway's", port.TargetPort.String())
			}
		}
	}
	for _, each := range c.policies {
		fits("network policy", each.Spec.PodSelector.MatchLabels)
		checkPolicy(t, each, ports)
	}
	for _, budget := range c.budgets {
		fits("disruption budget", budget.Spec.Selector.MatchLabels)
	}
	for _, monitor := range c.monitors {
		fits("pod monitor", monitor.Spec.Selector.MatchLabels)
		for _, end := range monitor.Spec.PodMetricsEndpoints {
			if end.Port == nil || ports[*end.Port] != opsPort || end.Path != "/metrics" {
				t.Errorf("the pod monitor reads %+v, want /metrics at the ops listener", end)
			}
		}
	}
}

func checkPolicy(t *testing.T, p networking.NetworkPolicy, ports map[string]int32) {
	if !slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress) {
		t.Error("the network policy admits everything")
	}
	reached := map[int32]bool{}
	for _, rule := range p.Spec.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) == 0 {
			t.Errorf("got rule %+v, want it to say who may come in, and where", rule)
		}
		for _, port := range rule.Ports {
			number, found := ports[port.Port.String()]
			if !found {
				t.Errorf("the network policy names port %s, and the pod has %v", port.Port, ports)
			}
			reached[number] = true
		}
	}
	if !reached[opsPort] || len(reached) < 2 {
		t.Errorf("got ports %v let in, want the gateway's and the ops listener's", reached)
	}
}

func TestManifestsAreValid(t *testing.T) {
	manifests := read(t, "deploy/kubernetes/token2go.yaml")
	c, err := decode(slices.Concat(manifests, []byte("\n---\n"), read(t, "deploy/kubernetes/podmonitor.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	for what, count := range map[string]int{
		"service account": len(c.accounts), "deployment": len(c.deployments), "service": len(c.services),
		"network policy": len(c.policies), "disruption budget": len(c.budgets), "pod monitor": len(c.monitors),
	} {
		if count != 1 {
			t.Errorf("got %d of the kind %s, want 1", count, what)
		}
	}
	c.checkPod(t, true)
	c.checkNetwork(t, true)
	upstream := "--upstream=http://127.0.0.1:8080/"
	if arguments := container(t, c.pod(t), "oauth2-proxy").Args; !slices.Contains(arguments, upstream) ||
		!slices.Contains(arguments, "--pass-access-token") {
		t.Errorf("got %v, want %s and --pass-access-token", arguments, upstream)
	}
}

func TestIngressNginxRecipeIsValid(t *testing.T) {
	c, err := decode(read(t, "deploy/gateways/ingress-nginx/ingress.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.ingresses) != 2 {
		t.Errorf("got %d ingresses, want Token2go's and the sign-in's", len(c.ingresses))
	}
}
