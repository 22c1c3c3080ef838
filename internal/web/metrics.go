package web

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/problem"
)

// Metrics count the requests of all listeners. Label values come from the code or the
// operator, never from a request, so a caller cannot create series.
type Metrics struct {
	requests  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

// NewMetrics registers the metrics that all listeners share.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: Counter("requests_total", "Requests, by listener, route pattern and status.", "listener", "route", "status"),
		refusals: Counter("refusals_total", "Refused requests, by listener and kind of problem; those reported to a client by redirect included.", "listener", "reason"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "token2go_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, by listener and route pattern.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"listener", "route"}),
	}
	registry.MustRegister(m.requests, m.refusals, m.durations)
	return m
}

// Counter makes a counter named token2go_NAME.
func Counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "token2go_" + name, Help: help}, labels)
}

// listenerMetrics are the metrics of one listener.
type listenerMetrics struct {
	requests  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	durations prometheus.ObserverVec
}

// forListener starts every kind of refusal at 0: Prometheus sees no increase in a counter
// that begins with its first event.
func (m *Metrics) forListener(listener string) listenerMetrics {
	labels := prometheus.Labels{"listener": listener}
	one := listenerMetrics{m.requests.MustCurryWith(labels), m.refusals.MustCurryWith(labels), m.durations.MustCurryWith(labels)}
	for _, kind := range problem.Kinds() {
		one.refusals.WithLabelValues(string(kind))
	}
	return one
}

func (m listenerMetrics) request(pattern string, status int, spent time.Duration) {
	m.requests.WithLabelValues(pattern, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(pattern).Observe(spent.Seconds())
}

func (m listenerMetrics) refused(kind problem.Kind) { m.refusals.WithLabelValues(string(kind)).Inc() }
