package check_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// expressions are those of the alerts, by name.
func expressions(t testing.TB) map[string]string {
	t.Helper()
	groups, errs := rulefmt.Parse(read(t, "deploy/prometheus/alerts.yaml"), false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	found := map[string]string{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert] = rule.Expr
		}
	}
	return found
}

func TestAlertsFireForTheirCauseOnly(t *testing.T) {
	const build = `token2go_build_info{job="t",instance="a"} 1x120`
	alerts, tried := expressions(t), map[string]int{}
	for _, test := range []struct {
		alert, series string
		fires         bool
	}{
		{"Token2goAbsent", `up{job="t"} 1x120`, true},
		{"Token2goAbsent", build, false},
		{"Token2goErrors", `token2go_requests_total{job="t",instance="a",status="500"} 0+2x120
			token2go_requests_total{job="t",instance="b",status="200"} 0+98x120`, true},
		{"Token2goErrors", `token2go_requests_total{job="t",instance="a",status="500"} 0+1x120
			token2go_requests_total{job="t",instance="b",status="200"} 0+999x120`, false},
		{"Token2goNoTokens", `token2go_refusals_total{job="t",reason="token_not_found"} 0+3x120
			token2go_handovers_total{job="t",decision="handed_over"} 0+2x120`, true},
		{"Token2goNoTokens", `token2go_refusals_total{job="t",reason="token_not_found"} 0+1x120
			token2go_handovers_total{job="t",decision="handed_over"} 0+2x120`, false},
		{"Token2goNoTokens", `token2go_refusals_total{job="t",reason="token_not_found"} 0+1x120
			token2go_handovers_total{job="t",decision="handed_over"} 0x120`, true}, // since it was started
		{"Token2goNoTokens", `token2go_refusals_total{job="t",reason="token_not_found"} 7x112 8 9x10
			token2go_handovers_total{job="t",decision="handed_over"} 0x120`, false}, // two, at night
		{"Token2goUnusableTokens", `token2go_refusals_total{job="t",reason="token_unusable"} 0+1x120`, true},
		{"Token2goUnusableTokens", `token2go_refusals_total{job="t",reason="token_not_found"} 0+9x120`, false},
		{"Token2goOtherHeader", `token2go_token_header_total{job="t",instance="a",header="Token"} 0+1x120
			token2go_token_header_total{job="t",instance="a",header="Authorization"} 0+1x120`, true},
		{"Token2goOtherHeader", `token2go_token_header_total{job="t",instance="a",header="Token"} 0+1x120
			token2go_token_header_total{job="t",instance="b",header="Token"} 0+1x120
			token2go_token_header_total{job="t",instance="b",header="Authorization"} 0x120`, false},
		{"Token2goFallbackToken", `token2go_token_header_total{job="t",header="fallback"} 0+1x120`, true},
		{"Token2goFallbackToken", `token2go_token_header_total{job="t",header="fallback"} 1x120`, true}, // once, before the first reading
		{"Token2goFallbackToken", `token2go_token_header_total{job="t",header="Token"} 0+1x120`, false},
		{"Token2goStrangers", `token2go_refusals_total{job="t",reason="peer_not_allowed"} 0+2x120`, true},
		{"Token2goStrangers", `token2go_refusals_total{job="t",reason="peer_not_allowed"} 0+1x120`, false},
		{"Token2goSlow", `token2go_request_duration_seconds_bucket{job="t",le="0.25"} 0+9x120
			token2go_request_duration_seconds_bucket{job="t",le="1"} 0+10x120
			token2go_request_duration_seconds_bucket{job="t",le="+Inf"} 0+10x120`, true},
		{"Token2goSlow", `token2go_request_duration_seconds_bucket{job="t",le="0.25"} 0+10x120
			token2go_request_duration_seconds_bucket{job="t",le="1"} 0+10x120
			token2go_request_duration_seconds_bucket{job="t",le="+Inf"} 0+10x120`, false},
		{"Token2goFewFilesLeft", build + `
			process_open_fds{job="t",instance="a"} 90x120
			process_max_fds{job="t",instance="a"} 100x120`, true},
		{"Token2goFewFilesLeft", build + `
			process_open_fds{job="other",instance="a"} 90x120
			process_max_fds{job="other",instance="a"} 100x120`, false},
		{"Token2goRestarts", build + `
			process_start_time_seconds{job="t",instance="a"} 0+100x120`, true},
		{"Token2goRestarts", `token2go_build_info{job="t",instance="a"} 1x110 stale
			process_start_time_seconds{job="t",instance="a"} 1x80 2x5 3x5 4x5 5x5 stale`, true}, // and is down
		{"Token2goRestarts", build + `
			process_start_time_seconds{job="t",instance="a"} 100x120`, false},
	} {
		expression, found := alerts[test.alert]
		if !found {
			t.Fatalf("there is no alert %s", test.alert)
		}
		tried[test.alert]++
		if got := fires(t, expression, test.series); got != test.fires {
			t.Errorf("%s fires: got %v, want %v for\n%s", test.alert, got, test.fires, test.series)
		}
	}
	for name := range alerts {
		if tried[name] < 2 {
			t.Errorf("%s was tried %d times, want its cause and something else", name, tried[name])
		}
	}
}

// fires evaluates an alert's expression after two hours with these series, a value a minute.
func fires(t testing.TB, expression, series string) bool {
	t.Helper()
	var load strings.Builder
	load.WriteString("load 1m\n")
	for line := range strings.Lines(series) {
		load.WriteString("  " + strings.TrimSpace(line) + "\n")
	}
	storage := promqltest.LoadedStorage(t, load.String())
	defer storage.Close()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query, err := engine.NewInstantQuery(t.Context(), storage, nil, expression, time.Unix(0, 0).Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result := query.Exec(t.Context())
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	vector, ok := result.Value.(promql.Vector)
	return ok && len(vector) > 0
}
