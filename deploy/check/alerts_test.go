package check_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/token2go/token2go/internal/t2gtest/process"
)

// series are the metrics of a server: name, label, and the values that were seen.
type series map[string]map[string][]string

// observe runs a server, causes what the alerts are for, and reads its ops listener.
func observe(t testing.TB) series {
	t.Helper()
	gateway, ops := process.Port(t), process.Port(t)
	stop := serve(t, gateway, ops, "T2G_ALLOWED_HOSTS=127.0.0.1")
	const header = "X-Forwarded-Access-Token"
	ask := func(name, value string) {
		request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+gateway+"/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	ask(header, "a-token-for-the-metrics") // handed over
	ask(header, "two,tokens")              // cannot be used
	ask("X-Nothing", "here")               // no token
	ask("Host", "other.example.org")       // not for us
	seen := scrape(t, ops)
	stop()

	stop = serve(t, gateway, ops, "T2G_FALLBACK_TOKEN=only-for-trying-out")
	ask("X-Nothing", "here")
	for name, found := range scrape(t, ops) {
		for label, values := range found {
			for _, value := range values {
				seen.add(name, label, value)
			}
		}
	}
	stop()

	stop = serve(t, gateway, ops, "T2G_GATEWAY_CIDRS=192.0.2.0/24")
	ask("X-Nothing", "here") // without a gateway
	for _, value := range scrape(t, ops)["token2go_refusals_total"]["reason"] {
		seen.add("token2go_refusals_total", "reason", value)
	}
	stop()
	return seen
}

func (s series) add(name, label, value string) {
	if s[name] == nil {
		s[name] = map[string][]string{}
	}
	if label != "" && !slices.Contains(s[name][label], value) {
		s[name][label] = append(s[name][label], value)
	}
}

// serve starts the server, waits until it is ready, and returns what ends it.
func serve(t testing.TB, gateway, ops string, environment ...string) (stop func()) {
	t.Helper()
	c, lines := exec.Command(server(t)), new(process.Output)
	c.Env = append([]string{"T2G_SERVER_PORT=" + gateway, "T2G_OPS_PORT=" + ops}, environment...)
	c.Stdout, c.Stderr = lines, lines
	p := process.Start(t, c)
	err := p.Await(process.Soon, func() bool {
		answer, err := http.Get("http://127.0.0.1:" + ops + "/ready")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Kill
}

func scrape(t testing.TB, ops string) series {
	t.Helper()
	answer, err := http.Get("http://127.0.0.1:" + ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	reader := expfmt.NewTextParser(model.LegacyValidation)
	families, err := reader.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	seen := series{}
	for name, family := range families {
		names := []string{name}
		if family.GetType().String() == "HISTOGRAM" {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}
		for _, each := range names {
			seen.add(each, "", "")
			for _, metric := range family.GetMetric() {
				if counter := metric.GetCounter(); counter != nil && counter.GetValue() == 0 {
					continue // it can be counted, and was not
				}
				for _, pair := range metric.GetLabel() {
					seen.add(each, pair.GetName(), pair.GetValue())
				}
			}
		}
		if len(names) > 1 {
			seen.add(names[0], "le", "+Inf")
		}
	}
	return seen
}

func TestAlertsUseServedMetricsOnly(t *testing.T) {
	content := read(t, "deploy/prometheus/alerts.yaml")
	language := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.Parse(content, false, model.LegacyValidation, language, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	seen := observe(t)
	rules := 0
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			rules++
			expression, err := language.ParseExpr(rule.Expr)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range unmeasured(expression, seen) {
				t.Errorf("%s: %s", rule.Alert, fault)
			}
			for _, about := range []string{"summary", "description"} {
				if rule.Annotations[about] == "" {
					t.Errorf("%s has no %s", rule.Alert, about)
				}
			}
		}
	}
	if rules < 5 {
		t.Errorf("got %d rules", rules)
	}
}

// unmeasured lists the metrics, labels and values of an expression that no server has.
// Job and instance are Prometheus's own.
func unmeasured(expression parser.Expr, seen series) (faults []string) {
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			faults = append(faults, unmatchedLabels(n, seen)...)
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if label != "job" && label != "instance" && !known(label, seen) {
					faults = append(faults, "no metric has the label "+label)
				}
			}
		}
		return nil
	})
	return faults
}

func known(label string, seen series) bool {
	for _, found := range seen {
		if found[label] != nil {
			return true
		}
	}
	return false
}

func unmatchedLabels(selector *parser.VectorSelector, seen series) (faults []string) {
	found, exists := seen[selector.Name]
	if !exists {
		return []string{"no server has the metric " + selector.Name}
	}
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name == model.MetricNameLabel || selector.Name == "token2go_requests_total" && matcher.Value == "500" {
			continue // an error of the server cannot be brought about from without
		}
		for value := range strings.SplitSeq(matcher.Value, "|") {
			if !slices.Contains(found[matcher.Name], value) {
				faults = append(faults, selector.Name+" was never seen with "+matcher.Name+"="+value)
			}
		}
	}
	return faults
}
