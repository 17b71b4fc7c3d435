package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/openai"
)

// sizes are of a request's body, and of its answer's. A stream is no longer
// than longStream: that is some hundred tokens.
var sizes = []int{1 << 10, 64 << 10, 1 << 20}

const longStream = 64 << 10

// quickServer answers at once with size bytes: in one piece, or as a stream.
func quickServer(size int, stream bool) http.Handler {
	whole := []byte(`{"id":"x","object":"chat.completion","created":1,"model":"good","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("word ", size/5) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}`)
	frame := `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{"content":"` +
		strings.Repeat("word ", 4) + `"},"finish_reason":null}]}` + "\n\n"
	last := `data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	// A server sends what it has: some tokens at a time.
	part := []byte(strings.Repeat(frame, max(1, min(size, 8<<10)/len(frame))))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if !stream {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = w.Write(whole)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for sent := 0; sent < size; sent += len(part) {
			_, _ = w.Write(part)
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, last)
	})
}

// BenchmarkGateway measures the gateway beside the standard library's bare
// reverse proxy, both in front of the same server. Each round asks both, so
// that what else the machine does strikes both.
func BenchmarkGateway(b *testing.B) {
	for _, stream := range []bool{false, true} {
		for _, size := range sizes {
			answer := size
			if stream {
				answer = min(size, longStream)
			}
			server := httptest.NewServer(quickServer(answer, stream))
			backend, err := openai.New(nodes.Connection{Node: "M1", URL: server.URL})
			if err != nil {
				b.Fatal(err)
			}
			n, err := nodes.New(nodes.Node{Name: "M1", Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
			if err != nil {
				b.Fatal(err)
			}
			_, ours := startGateway(b, serving(n), gateway.Options{})
			target, err := url.Parse(server.URL)
			if err != nil {
				b.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(target)
			// Its settings are the default's; the default itself is disturbed by
			// every test server that ends.
			proxy.Transport = http.DefaultTransport.(*http.Transport).Clone()
			bare := httptest.NewServer(proxy)
			body := fmt.Appendf(nil, `{"model":"good","stream":%t,"messages":[{"role":"user","content":%q}]}`, stream, strings.Repeat("word ", size/5))
			for _, clients := range []int{1, 16, 64, 512} {
				if size == 1<<20 && clients > 64 {
					continue // the clients' and the server's own work is all there is to see
				}
				kind := "whole"
				if stream {
					kind = "stream"
				}
				b.Run(fmt.Sprintf("%s/%dKB/%dclients", kind, size>>10, clients), func(b *testing.B) {
					sideBySide(b, clients, body, bare.URL, ours)
				})
			}
			bare.Close()
			server.Close()
		}
	}
}

// figures are what one side reached.
type figures struct {
	took    time.Duration
	latency []time.Duration
	failed  int
}

func (f figures) rate() float64 { return float64(len(f.latency)) / f.took.Seconds() }

func (f figures) median() time.Duration {
	slices.Sort(f.latency)
	return f.latency[len(f.latency)/2]
}

// sideBySide asks both in turns, a part of b.N each time.
func sideBySide(b *testing.B, clients int, body []byte, bare, ours string) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.ReportAllocs()
	var sides [2]figures
	const rounds = 6
	each := max(b.N/rounds/2, 4*clients)
	for round := range rounds + 1 {
		for i, to := range []string{bare, ours} {
			if round%2 == 1 {
				i = 1 - i
				to = []string{bare, ours}[i]
			}
			f := drive(client, to, clients, each, body)
			sides[i].failed += f.failed
			if round > 0 { // the first one warms up
				sides[i].took += f.took
				sides[i].latency = append(sides[i].latency, f.latency...)
			}
		}
	}
	if sides[1].failed > 0 {
		b.Errorf("%d requests failed", sides[1].failed)
	}
	b.ReportMetric(float64(sides[0].failed), "bare-failed") // now and then it loses one
	b.ReportMetric(sides[1].rate()/sides[0].rate(), "x-throughput")
	b.ReportMetric(float64(sides[1].median())/float64(sides[0].median()), "x-median")
	b.ReportMetric(float64(sides[1].median().Microseconds()), "us-median")
	b.ReportMetric(sides[1].rate(), "req/s")
	b.ReportMetric(0, "ns/op")
}

func drive(client *http.Client, to string, clients, total int, body []byte) figures {
	var wait sync.WaitGroup
	latency := make([][]time.Duration, clients)
	var failed atomic.Int64
	began := time.Now()
	for c := range clients {
		wait.Go(func() {
			for range total / clients {
				asked := time.Now()
				resp, err := client.Post(to+"/v1/chat/completions", "application/json", bytes.NewReader(body))
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if err != nil || resp.StatusCode != http.StatusOK {
					failed.Add(1)
					continue
				}
				latency[c] = append(latency[c], time.Since(asked))
			}
		})
	}
	wait.Wait()
	return figures{time.Since(began), slices.Concat(latency...), int(failed.Load())}
}
