package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/route"
)

// virtual plays a test in virtual time, with a network in memory.
func virtual(t *testing.T, play func(*testing.T, *nodetest.Network)) {
	synctest.Test(t, func(t *testing.T) {
		network := &nodetest.Network{}
		t.Cleanup(network.Close)
		play(t, network)
	})
}

// onNewOllama is a fake Ollama 0.33, whose runner is a llama-server, as a node.
func onNewOllama(t *testing.T, name string, network *nodetest.Network, m nodetest.Model) (*nodetest.Ollama, *nodes.Node) {
	t.Helper()
	fake := nodetest.NewOllama(t, nodetest.Options{Version: "0.33.0", Models: []nodetest.Model{m}, Network: network})
	backend, err := ollama.New(nodes.Connection{Node: name, URL: fake.URL, Transport: network.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	return fake, node(t, nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: "good"}})
}

func newGateway(t *testing.T, table *route.Table, o gateway.Options) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(table, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.CloseIdleConnections)
	return g
}

func served(t *testing.T, g http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)).WithContext(t.Context())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// TestChunkWithoutAModel: the runner of an Ollama 0.33 dies, and the stream ends
// with a chunk that names no model. The answer is carried on, by another node or by
// the runner's successor, and the node is blamed; no client sees such a chunk.
func TestChunkWithoutAModel(t *testing.T) {
	for _, alone := range []bool{false, true} {
		for protocol, tt := range asked {
			t.Run(fmt.Sprintf("%s, alone: %t", protocol, alone), func(t *testing.T) {
				virtual(t, func(t *testing.T, network *nodetest.Network) {
					m1, n1 := onNewOllama(t, "M1", network, storyteller("good"))
					list := []*nodes.Node{n1}
					if !alone {
						_, n2 := onNewOllama(t, "M2", network, storyteller("good"))
						list = append(list, n2)
					}
					table := serving(list...)
					var failed []route.Failure
					table.OnFailure(func(f route.Failure) { failed = append(failed, f) })
					g := newGateway(t, table, gateway.Options{Wait: time.Second})
					m1.BreakWith(nodetest.ErrorFrame, nodetest.Detail{After: 10})
					w := served(t, g, tt.path, `{"model":"good","stream":true,"max_tokens":4096,"messages":[{"role":"user","content":"tell a story"}]}`)
					answer := w.Body.String()
					if text, whole := tt.read([]byte(answer)); !whole || text != story {
						t.Errorf("whole %t: %q", whole, text)
					}
					for line := range strings.Lines(answer) {
						if strings.Contains(line, `"model":""`) {
							t.Errorf("names no model: %s", line)
						}
					}
					if model := w.Header().Get(gateway.HeaderModel); model != "good" {
						t.Errorf("signed %q", model)
					}
					if len(failed) == 0 || failed[0].Node != "M1" {
						t.Errorf("reported: %+v", failed)
					}
				})
			})
		}
	}
}

// TestErrorInAnErrorsText: an Ollama 0.33 puts the whole answer of its runner into
// the text of its own error. It is the prompt that is too long, no node is blamed,
// and a node with more room answers.
func TestErrorInAnErrorsText(t *testing.T) {
	const words = "exceeds the available context size (8 tokens)"
	question := fmt.Sprintf(`{"model":"good","truncate":false,"max_tokens":9,"stream":false,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("2+2 ", 60))
	for path := range map[string]bool{"/v1/chat/completions": true, "/api/chat": true} {
		for _, room := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, room elsewhere: %t", path, room), func(t *testing.T) {
				virtual(t, func(t *testing.T, network *nodetest.Network) {
					m1, n1 := onNewOllama(t, "M1", network, nodetest.Model{Name: "good"})
					m2, n2 := onNewOllama(t, "M2", network, nodetest.Model{Name: "good"})
					tight := func(s *nodetest.OllamaSettings) { s.ModelContext = map[string]int{"good": 8} }
					for _, f := range []*nodetest.Ollama{m1, m2} {
						if f == m1 || !room {
							f.Configure(tight)
						}
						f.Drop() // to be loaded with it
					}
					table := serving(n1, n2)
					table.OnFailure(func(f route.Failure) { t.Errorf("blamed: %+v", f) })
					w := served(t, newGateway(t, table, gateway.Options{}), path, question)
					if room {
						if w.Code != http.StatusOK || w.Header().Get(gateway.HeaderNode) != "M2" {
							t.Errorf("%d by %s: %s", w.Code, w.Header().Get(gateway.HeaderNode), w.Body)
						}
						return
					}
					if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), words) {
						t.Errorf("%d: %s", w.Code, w.Body)
					}
				})
			})
		}
	}
}

// TestRunnerReplacedUnderARequest: a runner hangs, and the server replaces it after
// 20 s. A gateway that waits that long gets the answer and blames nobody; one that
// does not has it from another node.
func TestRunnerReplacedUnderARequest(t *testing.T) {
	for _, tt := range []struct {
		wait   time.Duration
		by     string
		blamed int
	}{{time.Minute, "M1", 0}, {5 * time.Second, "M2", 1}} {
		t.Run(fmt.Sprint(tt.wait), func(t *testing.T) {
			virtual(t, func(t *testing.T, network *nodetest.Network) {
				m1, n1 := onNewOllama(t, "M1", network, nodetest.Model{Name: "good"})
				_, n2 := onNewOllama(t, "M2", network, nodetest.Model{Name: "good"})
				table := serving(n1, n2)
				var failed []route.Failure
				table.OnFailure(func(f route.Failure) { failed = append(failed, f) })
				m1.HangRunners()
				w := served(t, newGateway(t, table, gateway.Options{FirstToken: tt.wait, Answer: tt.wait}), "/v1/chat/completions", question)
				if w.Code != http.StatusOK || w.Header().Get(gateway.HeaderNode) != tt.by || len(failed) != tt.blamed {
					t.Errorf("%d by %s, reported %+v: %s", w.Code, w.Header().Get(gateway.HeaderNode), failed, w.Body)
				}
			})
		})
	}
}
