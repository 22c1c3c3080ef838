package web

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/problem"
)

// metrics are what Prometheus reads. Every label comes from a list of ours or of the
// operator's, so that a request can make up neither a label nor one more series.
type metrics struct {
	registry  *prometheus.Registry
	handOvers *prometheus.CounterVec // by way and decision
	refusals  *prometheus.CounterVec // by reason
	headers   *prometheus.CounterVec // by the name of the header that served
	requests  *prometheus.CounterVec // by route pattern and status
	durations *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry, version string, headers []string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "token2go_" + name, Help: help}, labels)
	}
	m := &metrics{
		registry:  registry,
		handOvers: counter("handovers_total", "Requests for a token, by the way it leaves and what was decided.", "way", "decision"),
		refusals:  counter("refusals_total", "Refused requests, by reason; those that a client is told of by redirect among them.", "reason"),
		headers:   counter("token_header_total", "Tokens handed over, by the header that held them.", "header"),
		requests:  counter("requests_total", "Requests at the gateway door, by route pattern and status.", "route", "status"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "token2go_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, by route pattern.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "token2go_build_info", Help: "Always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(m.handOvers, m.refusals, m.headers, m.requests, m.durations, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin(headers)
	return m
}

// begin puts what is watched for at 0. A header that never serves can be seen so; and of a
// counter that came into being with its first event, Prometheus would not see the increase.
func (m *metrics) begin(headers []string) {
	for _, name := range headers {
		m.headers.WithLabelValues(name)
	}
	for _, way := range []audit.Way{audit.WayToken, audit.WayQuery, audit.WayFormPost, audit.WayPage} {
		m.handOvers.WithLabelValues(string(way), string(audit.HandedOver))
	}
	for _, kind := range problem.Kinds() {
		m.refusals.WithLabelValues(string(kind))
	}
}

func (m *metrics) request(pattern string, status int, spent time.Duration) {
	m.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(pattern).Observe(spent.Seconds())
}

func (m *metrics) handOver(entry audit.Entry) {
	way := string(entry.Way)
	if way == "" {
		way = "none" // refused before a way was known
	}
	m.handOvers.WithLabelValues(way, string(entry.Decision)).Inc()
	if entry.Decision == audit.HandedOver {
		header := entry.Header
		if header == "" {
			header = "fallback"
		}
		m.headers.WithLabelValues(header).Inc()
	}
}

func (m *metrics) refused(kind problem.Kind) { m.refusals.WithLabelValues(string(kind)).Inc() }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
