//go:build unix

package healer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
	"github.com/turbone/jarvis/nodes/lmstudio"
)

// BenchmarkSweep probes clusters of 10 to 10,000 nodes once over real HTTP. It
// reports the time and the processor time of one node's probe, which must stay
// flat, the share of a core that this takes at an interval of 60 s, and the
// memory of a running healer. Servers and healer share the process, so that
// all figures are upper bounds.
func BenchmarkSweep(b *testing.B) {
	for _, count := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("nodes=%d", count), func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(serveManyStudios))
			defer server.Close()
			before := memory()
			h := manyNodes(b, server.URL, count)
			stop := runUntilHealthy(b, h)
			perNode := float64(memory()-before) / float64(count)
			stop()

			cpu := cpuTime()
			b.ResetTimer()
			for b.Loop() {
				sweep(b, h)
			}
			b.StopTimer()
			cpu = cpuTime() - cpu
			sweeps := float64(b.N)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/sweeps/float64(count), "ns/node")
			b.ReportMetric(float64(cpu.Nanoseconds())/sweeps/float64(count), "cpu-ns/node")
			b.ReportMetric(100*cpu.Seconds()/sweeps/60, "%core@60s")
			b.ReportMetric(perNode, "B/node")
			b.ReportMetric(perNode*float64(count)/1e6, "MB")
		})
	}
}

// serveManyStudios is as many LM Studios as asked for, told apart by the path.
func serveManyStudios(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/api/v1/models") {
		_, _ = io.WriteString(w, `{"models":[{"type":"llm","key":"good","display_name":"Good","size_bytes":1073741824,`+
			`"loaded_instances":[{"id":"good","config":{"context_length":4096}}],"max_context_length":131072,"format":"gguf"}]}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	answer := "OK"
	for _, q := range DefaultQuestions() {
		if strings.Contains(string(body), q.Prompt) {
			answer = q.Expect
		}
	}
	if strings.HasSuffix(r.URL.Path, "/api/v1/chat") {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "event: chat.start\ndata: {\"type\":\"chat.start\",\"model_instance_id\":\"good\"}\n\n"+
			"event: message.delta\ndata: {\"type\":\"message.delta\",\"content\":%q}\n\n"+
			"event: chat.end\ndata: {\"type\":\"chat.end\",\"result\":{\"model_instance_id\":\"good\",\"output\":[{\"type\":\"message\",\"content\":%q}],\"stats\":{\"input_tokens\":9,\"total_output_tokens\":1}}}\n\n", answer, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprintf(w, "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"good\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", answer)
}

func manyNodes(b *testing.B, url string, count int) *Watchdog {
	transport := engines.NewTransport() // as the command makes it
	transport.MaxIdleConnsPerHost = 64  // but here all nodes are one host
	b.Cleanup(transport.CloseIdleConnections)
	list := make([]*nodes.Node, count)
	for i := range list {
		name := fmt.Sprintf("M%d", i+1)
		backend, err := lmstudio.New(nodes.Connection{Node: name, URL: fmt.Sprintf("%s/%s", url, name), Transport: transport})
		if err != nil {
			b.Fatal(err)
		}
		list[i], err = nodes.New(nodes.Node{
			Name: name, Engine: "lmstudio", Backend: backend, Wanted: nodes.Model{Name: "good"}, ProbeTimeout: 30 * time.Second,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	set, err := nodes.NewSet(list...)
	if err != nil {
		b.Fatal(err)
	}
	h, err := New(Config{Nodes: set})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// runUntilHealthy runs the healer until every node is healthy, and returns
// with it still running.
func runUntilHealthy(b *testing.B, h *Watchdog) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running conc.WaitGroup
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			b.Errorf("Run: %v", err)
		}
	})
	deadline := time.Now().Add(5 * time.Minute)
	for !h.Now().AllServe() {
		if time.Now().After(deadline) {
			b.Fatal("the cluster is not healthy after five minutes")
		}
		time.Sleep(100 * time.Millisecond)
	}
	return func() { cancel(); running.Wait() }
}

// sweep probes every node once, 64 at a time.
func sweep(b *testing.B, h *Watchdog) {
	probes := pool.New().WithMaxGoroutines(64)
	for i := range h.config.Nodes.Len() {
		probes.Go(func() {
			w := worker{healer: h, index: i, node: h.config.Nodes.At(i)}
			s, _ := w.do(context.Background(), op{kind: opProbe}, false)
			if s.fault != "" {
				b.Errorf("%s: %s %s", w.node.Name, s.fault, s.detail)
			}
			h.report(i, s)
		})
	}
	probes.Wait()
}

// memory is what the heap and the stacks hold after a collection.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
