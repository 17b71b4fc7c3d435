package metrics_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/gateway/metrics"
	"github.com/turbone/jarvis/nodes/route"
)

func made(t testing.TB) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// figures are all samples that aren't 0, by name and labels; of a histogram its
// count and its sum.
func figures(t testing.TB, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.Metric {
			var labels []string
			for _, l := range metric.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(family.GetName(), "jarvis_gateway_") + "{" + strings.Join(labels, ",") + "}"
			switch {
			case metric.Histogram != nil && metric.Histogram.GetSampleCount() > 0:
				got[name+" count"] = float64(metric.Histogram.GetSampleCount())
				got[name+" sum"] = metric.Histogram.GetSampleSum()
			case metric.Counter.GetValue() != 0:
				got[name] = metric.Counter.GetValue()
			case metric.Gauge != nil:
				got[name] = metric.Gauge.GetValue()
			}
		}
	}
	return got
}

const chat = "/v1/chat/completions"

var smooth = gateway.Observation{
	API: chat, Node: "M1", Model: "qwen", Client: "alice", Status: 200, Stream: true, Attempts: 1,
	Queued: 250 * time.Millisecond, FirstToken: 500 * time.Millisecond, Total: 2 * time.Second, PromptTokens: 20, Tokens: 80,
}

// TestObserve: what each kind of request counts as.
func TestObserve(t *testing.T) {
	with := func(change func(*gateway.Observation)) gateway.Observation {
		o := smooth
		change(&o)
		return o
	}
	// What every answer of M1 counts as.
	answered := map[string]float64{
		"requests_total{api=/v1/chat/completions,client=alice,model=qwen,node=M1,status=200}": 1,
		"attempts_total{}": 1, "queue_seconds{} count": 1, "queue_seconds{} sum": 0.25,
		"first_token_seconds{api=/v1/chat/completions,model=qwen,node=M1} count": 1,
		"first_token_seconds{api=/v1/chat/completions,model=qwen,node=M1} sum":   0.5,
		"total_seconds{api=/v1/chat/completions,model=qwen,node=M1} count":       1,
		"total_seconds{api=/v1/chat/completions,model=qwen,node=M1} sum":         2,
		"tokens_total{kind=prompt,model=qwen,node=M1}":                           20,
		"tokens_total{kind=completion,model=qwen,node=M1}":                       80,
	}
	and := func(more map[string]float64, without ...string) map[string]float64 {
		all := map[string]float64{}
		for _, list := range []map[string]float64{answered, more} {
			for name, value := range list {
				all[name] = value
			}
		}
		for _, name := range without {
			delete(all, name)
		}
		return all
	}
	untimed := []string{
		"total_seconds{api=/v1/chat/completions,model=qwen,node=M1} count", "total_seconds{api=/v1/chat/completions,model=qwen,node=M1} sum",
	}
	for _, c := range []struct {
		name string
		o    gateway.Observation
		want map[string]float64
	}{
		{"smooth", smooth, answered},
		{"the first node failed", with(func(o *gateway.Observation) {
			o.Attempts, o.Failures = 2, []route.Failure{{Node: "OL1", Fault: nodes.Refused}}
			o.Moves = 1
		}), and(map[string]float64{"attempts_total{}": 2, "moves_total{}": 1, "retries_total{fault=connection refused,node=OL1}": 1})},
		{"asked again in another way", with(func(o *gateway.Observation) { o.Attempts = 2 }), and(map[string]float64{"attempts_total{}": 2})},
		{"in one piece", with(func(o *gateway.Observation) { o.Stream = false }), and(nil,
			"first_token_seconds{api=/v1/chat/completions,model=qwen,node=M1} count",
			"first_token_seconds{api=/v1/chat/completions,model=qwen,node=M1} sum")},
		{"the same node, asked again", with(func(o *gateway.Observation) {
			o.Attempts, o.Failures = 2, []route.Failure{{Node: "M1", Fault: nodes.ServerFailed}}
		}), and(map[string]float64{"attempts_total{}": 2, "retries_total{fault=server error,node=M1}": 1})},
		{"carried on", with(func(o *gateway.Observation) {
			o.Attempts, o.Resumed, o.Failures = 2, 1, []route.Failure{{Node: "OL1", Fault: nodes.CutOff, Begun: true}}
			o.Moves = 1
		}), and(map[string]float64{
			"attempts_total{}": 2, "moves_total{}": 1, "resumed_streams_total{}": 1, "retries_total{fault=answer cut off,node=OL1}": 1,
		})},
		{"begun anew", with(func(o *gateway.Observation) {
			o.Attempts, o.Restarted, o.Failures = 2, 1, []route.Failure{{Node: "OL1", Fault: nodes.CutOff, Begun: true}}
			o.Moves = 1
		}), and(map[string]float64{
			"attempts_total{}": 2, "moves_total{}": 1, "restarted_streams_total{}": 1, "retries_total{fault=answer cut off,node=OL1}": 1,
		})},
		{"broken", with(func(o *gateway.Observation) { o.Broken = true }), and(map[string]float64{"broken_streams_total{}": 1}, untimed...)},
		{"left", with(func(o *gateway.Observation) { o.Left = true }), and(map[string]float64{"clients_left_total{}": 1}, untimed...)},
		{"nobody served", gateway.Observation{API: chat, Model: "asked-for", Status: 503, Queued: time.Second, Total: time.Second}, map[string]float64{
			"requests_total{api=/v1/chat/completions,client=,model=,node=,status=503}": 1, "queue_seconds{} count": 1, "queue_seconds{} sum": 1,
		}},
		{"counts below 0", with(func(o *gateway.Observation) { o.PromptTokens, o.Tokens = -1, -80 }), and(nil,
			"tokens_total{kind=prompt,model=qwen,node=M1}", "tokens_total{kind=completion,model=qwen,node=M1}")},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, registry := made(t)
			m.Observe(c.o)
			if diff := cmp.Diff(c.want, figures(t, registry)); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
}

// TestOutsideNames: names from outside make a bounded number of series, and
// none of them does harm.
func TestOutsideNames(t *testing.T) {
	m, registry := made(t)
	const most = 200
	o := smooth
	for i := range 3 * most {
		o.Model = fmt.Sprintf("model-%d", i)
		m.Observe(o)
	}
	got := figures(t, registry)
	if n := testutil.CollectAndCount(registry, "jarvis_gateway_requests_total"); n != most+1 {
		t.Errorf("%d series for %d models, want %d", n, 3*most, most+1)
	}
	rest := "requests_total{api=/v1/chat/completions,client=alice,model=" + metrics.Other + ",node=M1,status=200}"
	if got[rest] != 2*most {
		t.Errorf("%s is %g, want %d", rest, got[rest], 2*most)
	}

	m, registry = made(t)
	o.API, o.Node, o.Model, o.Client = "/\xff", "node\xfe", "model\xff", strings.Repeat("long", 1000)
	o.Failures = []route.Failure{{Node: "\xff", Fault: "\xff"}}
	m.Observe(o)
	name := "requests_total{api=/\uFFFD,client=" + metrics.Other + ",model=model\uFFFD,node=node\uFFFD,status=200}"
	if got := figures(t, registry); got[name] != 1 {
		t.Errorf("no %s in %v", name, got)
	}
}

// TestPage: the page names each metric, and none that isn't there.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "`jarvis_gateway_`:")
	table, _, _ = strings.Cut(table, "\n## ")
	var named []string
	for _, match := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(table, -1) {
		named = append(named, "jarvis_gateway_"+match[1])
	}
	m, registry := made(t)
	registry.MustRegister(metrics.Watch(route.New(), []string{"M1"}))
	o := smooth
	o.Failures = []route.Failure{{Node: "OL1", Fault: nodes.Refused}}
	o.Moves = 1
	m.Observe(o)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, family := range families {
		there = append(there, family.GetName())
	}
	slices.Sort(named)
	slices.Sort(there)
	if diff := cmp.Diff(there, named); diff != "" {
		t.Errorf("there(-) named(+):\n%s", diff)
	}
}

// TestNewTwice: a second one in the same registry is refused, and the first
// goes on.
func TestNewTwice(t *testing.T) {
	m, registry := made(t)
	if _, err := metrics.New(registry); err == nil || !strings.Contains(err.Error(), "a registry of its own") {
		t.Fatalf("%v, want an error that says what to do", err)
	}
	m.Observe(smooth)
	if n := testutil.CollectAndCount(registry, "jarvis_gateway_requests_total"); n != 1 {
		t.Errorf("%d series, want 1", n)
	}

	other := prometheus.NewRegistry()
	taken := prometheus.NewCounter(prometheus.CounterOpts{Name: "jarvis_gateway_tokens_total"})
	other.MustRegister(taken)
	if _, err := metrics.New(other); err == nil {
		t.Fatal("a name that is taken was taken again")
	}
	if got, err := other.Gather(); err != nil || len(got) != 1 {
		t.Errorf("%d metrics (%v), want the one that was there", len(got), err)
	}
}

// TestLint: names, units and help are as Prometheus wants them.
func TestLint(t *testing.T) {
	m, registry := made(t)
	m.Observe(smooth)
	registry.MustRegister(metrics.Watch(route.New(), []string{"M1"}))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestWatch: what goes on is read when it is asked for.
func TestWatch(t *testing.T) {
	list := make([]*nodes.Node, 2)
	for i, name := range []string{"M1", "OL1"} {
		list[i] = &nodes.Node{Name: name}
	}
	table := route.New(list...)
	watch := metrics.Watch(table, []string{"OL1", "M1", "M1"})
	show := func(m1, ol1 string) string {
		return `
# HELP jarvis_gateway_in_flight Requests under way on a node.
# TYPE jarvis_gateway_in_flight gauge
jarvis_gateway_in_flight{node="M1"} ` + m1[:1] + `
jarvis_gateway_in_flight{node="OL1"} ` + ol1[:1] + `
# HELP jarvis_gateway_queued Requests that wait for a node.
# TYPE jarvis_gateway_queued gauge
jarvis_gateway_queued 0
# HELP jarvis_gateway_serving 1 while a node is in the route, else 0.
# TYPE jarvis_gateway_serving gauge
jarvis_gateway_serving{node="M1"} ` + m1[1:] + `
jarvis_gateway_serving{node="OL1"} ` + ol1[1:] + "\n"
	}
	if err := testutil.CollectAndCompare(watch, strings.NewReader(show("00", "00"))); err != nil {
		t.Error(err)
	}
	table.Serve("OL1", true)
	request := table.Begin("OL1")
	if err := testutil.CollectAndCompare(watch, strings.NewReader(show("00", "11"))); err != nil {
		t.Error(err)
	}
	request.Done()
	if err := testutil.CollectAndCompare(watch, strings.NewReader(show("00", "01"))); err != nil {
		t.Error(err)
	}
}

// TestAtOnce: nothing is lost where many observe while the metrics are read.
func TestAtOnce(t *testing.T) {
	m, registry := made(t)
	const observers, each = 8, 500
	var all conc.WaitGroup
	for i := range observers {
		all.Go(func() {
			o := smooth
			for j := range each {
				o.Node, o.Model = fmt.Sprintf("M%d", j%3), fmt.Sprintf("model-%d", j%50)
				o.Failures = []route.Failure{{Node: fmt.Sprintf("F%d", i), Fault: nodes.Refused}}
				m.Observe(o)
			}
		})
	}
	for range 20 {
		figures(t, registry)
	}
	all.Wait()
	sum := 0.0
	for name, value := range figures(t, registry) {
		if strings.HasPrefix(name, "requests_total") {
			sum += value
		}
	}
	if sum != observers*each {
		t.Errorf("%g requests, want %d", sum, observers*each)
	}
}

func BenchmarkObserve(b *testing.B) {
	o := smooth
	o.Attempts, o.Failures = 2, []route.Failure{{Node: "OL1", Fault: nodes.Refused}}
	o.Moves = 1
	for _, at := range []struct {
		name string
		run  func(*testing.B, func())
	}{
		{"one", func(b *testing.B, observe func()) {
			for b.Loop() {
				observe()
			}
		}},
		{"parallel", func(b *testing.B, observe func()) {
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					observe()
				}
			})
		}},
	} {
		b.Run(at.name, func(b *testing.B) {
			m, _ := made(b)
			b.ReportAllocs()
			at.run(b, func() { m.Observe(o) })
		})
	}
}
