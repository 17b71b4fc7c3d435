// Package metrics exports the requests of a [gateway.Gateway] or a
// [gateway.Transport] as Prometheus metrics.
//
//	registry := prometheus.NewRegistry()
//	m, err := metrics.New(registry)
//	registry.MustRegister(metrics.Watch(table, names))
//	handler, err := gateway.New(table, gateway.Options{Observer: m})
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// The number of series is bounded, although names of models come from clients:
// beyond 200 names, all others are counted as [Other].
package metrics

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

const prefix = "jarvis_gateway_"

// The buckets of the histograms, in seconds. A first token takes milliseconds
// with a warm cache and minutes with a long prompt. An answer may take as long as
// a model reasons.
var (
	queueBuckets = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60}
	firstBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 20, 40, 60, 120}
	totalBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600}
)

// maxNames is the greatest number of models, and of clients, with series of their
// own.
const maxNames = 200

// Other is the label of all models, or clients, beyond the first 200.
const Other = "other"

// Metrics is a [gateway.Observer] that counts requests. Safe for concurrent use.
type Metrics struct {
	attempts, moves, resumed, restarted, broken, left prometheus.Counter
	queue                                             prometheus.Histogram

	models, clients names
	requests        cache[request, prometheus.Counter]
	failures        cache[failure, prometheus.Counter]
	answers         cache[answer, answered]
}

type request struct {
	api, node, model, client string
	status                   int
}

type failure struct {
	node  string
	fault nodes.Fault
}

type answer struct{ api, node, model string }

type answered struct {
	first, total       prometheus.Observer
	prompt, completion prometheus.Counter
}

// New returns metrics that are registered with registerer. The error is the
// registerer's, such as for metrics that exist already; then nothing is
// registered.
func New(registerer prometheus.Registerer) (*Metrics, error) {
	var all []prometheus.Collector
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
		all = append(all, v)
		return v
	}
	histograms := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
		all = append(all, v)
		return v
	}
	m := &Metrics{
		attempts:  counters("attempts_total", "Answers of nodes that were asked for; more than requests where some had to be asked for again.").WithLabelValues(),
		moves:     counters("moves_total", "Times a request went on to another node.").WithLabelValues(),
		resumed:   counters("resumed_streams_total", "Times that another node carried on a stream that broke.").WithLabelValues(),
		restarted: counters("restarted_streams_total", "Times that another node began a stream anew that broke.").WithLabelValues(),
		broken:    counters("broken_streams_total", "Answers that ended in an error after they had begun.").WithLabelValues(),
		left:      counters("clients_left_total", "Requests whose client went away before the end.").WithLabelValues(),
		queue:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "queue_seconds", Help: "How long requests waited for a node.", Buckets: queueBuckets}),
	}
	all = append(all, m.queue)

	requests := counters("requests_total", "Requests of clients, by the node and model that served last.", "api", "node", "model", "status", "client")
	m.requests.make = func(r request) prometheus.Counter {
		return requests.WithLabelValues(valid(r.api), valid(r.node), valid(r.model), strconv.Itoa(r.status), valid(r.client))
	}
	failures := counters("retries_total", "Answers that failed by a node's fault, so that another had to be asked for.", "node", "fault")
	m.failures.make = func(f failure) prometheus.Counter {
		return failures.WithLabelValues(valid(f.node), valid(string(f.fault)))
	}
	first := histograms("first_token_seconds", "How long streams took to begin.", firstBuckets, "api", "node", "model")
	total := histograms("total_seconds", "How long whole answers took.", totalBuckets, "api", "node", "model")
	tokens := counters("tokens_total", "Tokens of prompts and of answers, as the servers count them.", "node", "model", "kind")
	m.answers.make = func(a answer) answered {
		api, node, model := valid(a.api), valid(a.node), valid(a.model)
		return answered{
			first: first.WithLabelValues(api, node, model), total: total.WithLabelValues(api, node, model),
			prompt: tokens.WithLabelValues(node, model, "prompt"), completion: tokens.WithLabelValues(node, model, "completion"),
		}
	}

	for i, c := range all {
		if err := registerer.Register(c); err != nil {
			for _, registered := range all[:i] {
				registerer.Unregister(registered)
			}
			return nil, fmt.Errorf("gateway metrics: %w; give each gateway a registry of its own, or wrap it with labels", err)
		}
	}
	return m, nil
}

// valid returns text as valid UTF-8, which labels must be.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Observe implements [gateway.Observer].
func (m *Metrics) Observe(o gateway.Observation) {
	r := request{api: o.API, node: o.Node, client: m.clients.bounded(o.Client), status: o.Status}
	if o.Node != "" { // else it is only a name from the client
		r.model = m.models.bounded(o.Model)
	}
	m.requests.get(r).Inc()
	m.queue.Observe(o.Queued.Seconds())
	for _, f := range o.Failures {
		m.failures.get(failure{f.Node, f.Fault}).Inc()
	}
	add(m.attempts, o.Attempts)
	add(m.resumed, o.Resumed)
	add(m.restarted, o.Restarted)
	if o.Broken {
		m.broken.Inc()
	}
	if o.Left {
		m.left.Inc()
	}
	add(m.moves, o.Moves)
	if o.Node == "" {
		return
	}
	a := m.answers.get(answer{r.api, r.node, r.model})
	add(a.prompt, o.PromptTokens)
	add(a.completion, o.Tokens)
	if o.Stream && o.FirstToken > 0 { // a response that is not streamed begins at its end
		a.first.Observe(o.FirstToken.Seconds())
	}
	if !o.Left && !o.Broken { // a part of an answer says nothing about the time of a whole one
		a.total.Observe(o.Total.Seconds())
	}
}

// add adds a count of a server, which may be wrong: a counter panics on a negative
// one.
func add(c prometheus.Counter, n int) {
	if n > 0 {
		c.Add(float64(n))
	}
}

var _ gateway.Observer = (*Metrics)(nil)
