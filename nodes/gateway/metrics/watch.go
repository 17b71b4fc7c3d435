package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Traffic is what goes on now; a [route.Table] knows it.
type Traffic interface {
	// InFlight is how many requests are under way on a node, Serves whether it
	// is in the route.
	InFlight(node string) int
	Serves(node string) bool
	// Queued is how many requests wait for a node.
	Queued() int
}

// Watch returns a collector of what goes on among the named nodes, read when
// the metrics are asked for.
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
