package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Traffic is the source of the gauges, such as a *[route.Table].
type Traffic interface {
	// InFlight returns the number of requests in flight on a node.
	InFlight(node string) int
	// Serves reports whether a node is in the route.
	Serves(node string) bool
	// Queued returns the number of requests that wait for a node.
	Queued() int
}

// Watch returns a collector of gauges for the named nodes. Each collection reads
// the current values from traffic.
func Watch(traffic Traffic, names []string) prometheus.Collector {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return &watch{
		traffic: traffic, names: slices.Compact(sorted),
		inFlight: gauge("in_flight", "Requests under way on a node.", "node"),
		serving:  gauge("serving", "1 while a node is in the route, else 0.", "node"),
		queued:   gauge("queued", "Requests that wait for a node."),
	}
}

type watch struct {
	traffic                   Traffic
	names                     []string
	inFlight, serving, queued *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (w *watch) Describe(out chan<- *prometheus.Desc) {
	out <- w.inFlight
	out <- w.serving
	out <- w.queued
}

// Collect implements [prometheus.Collector].
func (w *watch) Collect(out chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, name := range w.names {
		serving := 0.0
		if w.traffic.Serves(name) {
			serving = 1
		}
		send(w.inFlight, float64(w.traffic.InFlight(name)), valid(name))
		send(w.serving, serving, valid(name))
	}
	send(w.queued, float64(w.traffic.Queued()))
}
