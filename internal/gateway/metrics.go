package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/token2go/token2go/internal/audit"
	"github.com/token2go/token2go/internal/web"
)

// metrics count hand-overs.
type metrics struct {
	handOvers *prometheus.CounterVec
	headers   *prometheus.CounterVec
}

// newMetrics starts the counters at 0: Prometheus sees no increase in one that begins with
// its first event, and a header that is never used shows as 0.
func newMetrics(registry prometheus.Registerer, headers []string) *metrics {
	m := &metrics{
		handOvers: web.Counter("handovers_total", "Requests for a token, by the way it leaves and what was decided.", "way", "decision"),
		headers:   web.Counter("token_header_total", "Tokens handed over, by the header that held them.", "header"),
	}
	registry.MustRegister(m.handOvers, m.headers)
	for _, name := range headers {
		m.headers.WithLabelValues(name)
	}
	for _, way := range []string{wayToken, "query", "form_post", "page"} {
		m.handOvers.WithLabelValues(way, string(audit.HandedOver))
	}
	return m
}

func (m *metrics) count(h *handOver) {
	way := h.way
	if way == "" {
		way = "none" // refused before a way was known
	}
	m.handOvers.WithLabelValues(way, string(h.outcome)).Inc()
	if h.outcome == audit.HandedOver {
		header := h.header
		if header == "" {
			header = "fallback"
		}
		m.headers.WithLabelValues(header).Inc()
	}
}
