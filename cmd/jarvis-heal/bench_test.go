package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes/nodetest"
)

// serveQuickly is the command of the benchmark's server: serveQuickly ADDRESS.
func serveQuickly() {
	s := newQuickServer()
	server := http.Server{Addr: os.Args[1], Handler: s, ConnState: s.count}
	panic(server.ListenAndServe())
}

// proxyBarely is the command of the benchmark's baseline, the standard library's
// reverse proxy with a tuned transport: proxyBarely ADDRESS TARGET.
func proxyBarely() {
	target, err := url.Parse(os.Args[2])
	if err != nil {
		panic(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.DisableCompression = 0, 1024, true
	proxy.Transport = transport
	panic(http.ListenAndServe(os.Args[1], proxy))
}

// quickServer is an OpenAI-compatible server that answers at once: with as many
// tokens as max_tokens says, one frame a token where it streams.
type quickServer struct {
	*http.ServeMux
	connections atomic.Int64
}

func newQuickServer() *quickServer {
	s := &quickServer{ServeMux: http.NewServeMux()}
	s.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"good","object":"model","created":1,"owned_by":"bench"}]}`)
	})
	s.HandleFunc("GET /connections", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, s.connections.Load())
	})
	s.HandleFunc("POST /v1/chat/completions", s.chat)
	return s
}

func (s *quickServer) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.connections.Add(1)
	}
}

// Sizes of the answers. A real answer of a chat has some hundred tokens.
const (
	wholeTokens = 200
	shortStream = 100
	longStream  = 2000
)

func (s *quickServer) chat(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	tokens, text := wholeTokens, ""
	for phrase, answer := range nodetest.Knowledge() { // the healer's questions
		if bytes.Contains(body, []byte(phrase)) {
			text, tokens = answer, 0
		}
	}
	if at := bytes.Index(body, []byte(`"max_tokens":`)); at >= 0 && text == "" {
		_, _ = fmt.Sscanf(string(body[at+len(`"max_tokens":`):]), "%d", &tokens)
	}
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		answer := fmt.Appendf(nil, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"good","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}`,
			text+strings.Repeat("word ", tokens), tokens+1, tokens+10)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	frame := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{"content":"` +
		cmp.Or(text, "word ") + `"},"finish_reason":null}]}` + "\n\n"
	for range max(1, tokens) {
		_, _ = io.WriteString(w, frame)
		_ = control.Flush()
	}
	_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"good","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// BenchmarkBuiltGateway measures the built command as a process of its own,
// configured as its users do, beside a bare reverse proxy with a tuned transport
// and beside the server itself. Each round asks all three, so that what else the
// machine does strikes all. The processor time is that of the gateway's and the
// proxy's own process.
func BenchmarkBuiltGateway(b *testing.B) {
	command := filepath.Join(b.TempDir(), "jarvis-heal")
	if out, err := exec.Command("go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	server := benchProcess(b, "serve-quickly")
	proxy := benchProcess(b, "proxy-barely", server.url)
	gateway := startBuiltGateway(b, command, server.url)
	for _, c := range []struct {
		name                      string
		clients, tokens, requests int
		stream                    bool
	}{
		{"whole/1client", 1, wholeTokens, 2000, false},
		{"whole/16clients", 16, wholeTokens, 6000, false},
		{"whole/64clients", 64, wholeTokens, 6000, false},
		{"stream/1client", 1, shortStream, 400, true},
		{"stream/16clients", 16, shortStream, 1600, true},
		{"stream/64clients", 64, shortStream, 1600, true},
		{"stream/200clients/2000tokens", 200, longStream, 200, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := fmt.Appendf(nil, `{"model":"good","stream":%t,"max_tokens":%d,"messages":[{"role":"user","content":%q}]}`,
				c.stream, c.tokens, strings.Repeat("word ", 200))
			compareProcesses(b, c.clients, c.requests, body, server, proxy, gateway)
		})
	}
}

// process is a running process of the benchmark.
type process struct {
	name, url string
	pid       int
}

// cpu returns the processor time of the process so far, all its threads
// together (proc(5): fields 14 and 15, in ticks of 10 ms).
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		b.Skip("the processor time of another process is read from /proc: ", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func benchProcess(b *testing.B, command string, args ...string) process {
	b.Helper()
	address := freeAddress(b)
	return startProcess(b, exec.Command(command, append([]string{address}, args...)...), "http://"+address)
}

func startBuiltGateway(b *testing.B, command, server string) process {
	b.Helper()
	address := freeAddress(b)
	dir := b.TempDir()
	config := filepath.Join(dir, "jarvis.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "nodes:\n  - {name: M1, engine: openai, url: %q, model: good}\ngateway: {listen: %q}\nhealer: {listen: off}\n", server, address), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(command, "run", "--config", config)
	cmd.Dir = dir
	return startProcess(b, cmd, "http://"+address)
}

// startProcess starts a process and waits until it lists models.
func startProcess(b *testing.B, cmd *exec.Cmd, url string) process {
	b.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(url + "/v1/models")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return process{filepath.Base(cmd.Path), url, cmd.Process.Pid}
			}
		}
		if time.Now().After(until) {
			b.Fatalf("%s does not answer: %v\n%s", cmd.Path, err, &said)
		}
	}
}

// benchRounds is the number of rounds whose ratios are told.
const benchRounds = 5

// compareProcesses asks the server, the proxy and the gateway in turns.
func compareProcesses(b *testing.B, clients, requests int, body []byte, server, proxy, gateway process) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var cpu, throughput, direct []float64
	var opened, own time.Duration
	connections, asked := 0, 0
	for round := range benchRounds + 1 {
		order := []process{server, proxy, gateway}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		took, used := map[process]time.Duration{}, map[process]time.Duration{}
		for _, p := range order {
			before, open := p.cpu(b), countConnections(b, server)
			took[p] = askAll(b, client, p, clients, requests, body)
			used[p] = p.cpu(b) - before
			if p == gateway && round > 0 {
				connections += countConnections(b, server) - open - 1 // one counted
				asked += requests
				own += used[p]
			}
		}
		if round == 0 {
			continue // it warms up
		}
		opened += used[proxy]
		cpu = append(cpu, float64(used[gateway])/float64(max(used[proxy], 10*time.Millisecond)))
		throughput = append(throughput, float64(took[proxy])/float64(took[gateway]))
		direct = append(direct, float64(took[server])/float64(took[gateway]))
	}
	for _, f := range []struct {
		name   string
		values []float64
	}{{"x-cpu", cpu}, {"x-throughput", throughput}, {"x-direct", direct}} {
		slices.Sort(f.values)
		b.ReportMetric(f.values[len(f.values)/2], f.name)
		b.Logf("%s: min %.2f, median %.2f, max %.2f", f.name, f.values[0], f.values[len(f.values)/2], f.values[len(f.values)-1])
	}
	b.ReportMetric(float64(own.Microseconds())/float64(asked), "us-cpu/request")
	b.ReportMetric(float64(opened.Microseconds())/float64(asked), "us-cpu/request-bare")
	b.ReportMetric(1000*float64(connections)/float64(asked), "connections/1000")
	b.ReportMetric(0, "ns/op")
}

func countConnections(b *testing.B, server process) int {
	b.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(server.url + "/connections")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	n := 0
	if _, err := fmt.Fscan(resp.Body, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// askAll sends requests by a number of clients and returns how long that took.
func askAll(b *testing.B, client *http.Client, to process, clients, requests int, body []byte) time.Duration {
	b.Helper()
	var wait sync.WaitGroup
	var failed atomic.Int64
	var why atomic.Value
	began := time.Now()
	for range clients {
		wait.Go(func() {
			for range requests / clients {
				if failed.Load() > int64(requests/10) {
					return
				}
				resp, err := client.Post(to.url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if err == nil && resp.StatusCode != http.StatusOK {
					err = errors.New(resp.Status)
				}
				if err != nil {
					failed.Add(1)
					why.Store(err.Error())
				}
			}
		})
	}
	wait.Wait()
	if n := failed.Load(); n > 0 {
		if to.name == "proxy-barely" { // now and then it loses one
			b.Logf("%s: %d requests failed, one by: %v", to.name, n, why.Load())
			return time.Since(began)
		}
		b.Fatalf("%s: %d requests failed, one by: %v", to.name, n, why.Load())
	}
	return time.Since(began)
}
