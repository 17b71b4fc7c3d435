package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/route"
)

// clients is how many there are at once in the tests of losses.
const clients = 4

// story is a long answer.
var story = func() string {
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "word%d ", i)
	}
	return b.String() + "end."
}()

func storyteller(name string) nodetest.Model {
	return nodetest.Model{Name: name, Knowledge: map[string]string{"tell a story": story, "2+2": "4"}}
}

// onOllama starts a fake Ollama as a node.
func onOllama(t testing.TB, name string, models ...nodetest.Model) (*nodetest.Ollama, *nodes.Node) {
	t.Helper()
	fake := nodetest.NewOllama(t, nodetest.Options{Models: models, Forget: true})
	backend, err := ollama.New(nodes.Connection{Node: name, URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	return fake, node(t, nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: models[0].Name}})
}

func node(t testing.TB, n nodes.Node) *nodes.Node {
	t.Helper()
	out, err := nodes.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// serving is a table in which all nodes serve.
func serving(list ...*nodes.Node) *route.Table {
	table := route.New(list...)
	for _, n := range list {
		table.Serve(n.Name, true)
	}
	return table
}

// gateway starts one in front of a table.
func startGateway(t testing.TB, table *route.Table, o gateway.Options, keys ...gateway.Key) (*gateway.Gateway, string) {
	t.Helper()
	g, err := gateway.New(table, o, keys...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(func() { server.Close(); g.CloseIdleConnections() })
	return g, server.URL
}

// faults are those under which no request may be lost.
var faults = []struct {
	name  string
	fault nodetest.Fault
	with  nodetest.Detail
}{
	{"connection refused", nodetest.Down, nodetest.Detail{}},
	{"hang after accept", nodetest.Hang, nodetest.Detail{}},
	{"500s", nodetest.Status500, nodetest.Detail{}},
	{"wedged", nodetest.Wedged, nodetest.Detail{}},
	{"slow", nodetest.Slow, nodetest.Detail{Delay: 50 * time.Millisecond}},
	{"garbage", nodetest.NotJSON, nodetest.Detail{}},
	{"cut in mid-answer", nodetest.CutOff, nodetest.Detail{After: 40}},
	{"hang in mid-answer", nodetest.HangMidAnswer, nodetest.Detail{After: 70}},
	{"ends in mid-answer without an end mark", nodetest.NoEndMark, nodetest.Detail{After: 13}},
	{"error in mid-answer", nodetest.ErrorFrame, nodetest.Detail{After: 100}},
}

// TestNoRequestIsLost: two nodes, four clients in a loop, and the first node
// breaks in the middle of the run.
func TestNoRequestIsLost(t *testing.T) {
	requests := sample(2000, 40)
	for _, f := range faults {
		for _, stream := range []bool{false, true} {
			name := f.name
			if stream {
				name += ", streams"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fake, first := onOllama(t, "M1", storyteller("good"))
				_, second := onOllama(t, "M2", storyteller("good"))
				_, url := startGateway(t, serving(first, second), gateway.Options{FirstToken: 300 * time.Millisecond, Answer: 300 * time.Millisecond, Between: 300 * time.Millisecond})
				total := requests
				if f.fault == nodetest.Slow {
					total = sample(200, 16)
				}
				var asked, lost atomic.Int64
				p := pool.New().WithMaxGoroutines(clients)
				for range total {
					p.Go(func() {
						if asked.Add(1) == int64(total/2) {
							fake.BreakWith(f.fault, f.with)
						}
						if text, err := tell(url, stream); err != nil || text != story {
							if lost.Add(1) == 1 {
								t.Errorf("the first that is lost: %v, %q", err, text)
							}
						}
					})
				}
				p.Wait()
				t.Logf("%d requests, %d lost", asked.Load(), lost.Load())
			})
		}
	}
}

// tell asks for the story by OpenAI's API and returns it.
func tell(url string, stream bool) (string, error) {
	body, _ := json.Marshal(map[string]any{"model": "auto", "stream": stream, "messages": []any{map[string]any{"role": "user", "content": "tell a story"}}})
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return string(answer), fmt.Errorf("%s: %w", resp.Status, err)
	}
	if stream {
		return joined(answer)
	}
	var a struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal(answer, &a); err != nil || len(a.Choices) != 1 {
		return string(answer), fmt.Errorf("no answer: %w", err)
	}
	return a.Choices[0].Message.Content, nil
}

// joined is the text of a stream, which has to have an end.
func joined(answer []byte) (string, error) {
	var text strings.Builder
	finish, done := "", false
	for line := range strings.SplitSeq(string(answer), "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		switch {
		case !ok:
			continue
		case data == "[DONE]":
			done = true
			continue
		}
		var f struct {
			Choices []struct {
				Delta  struct{ Content string }
				Finish string `json:"finish_reason"`
			}
			Error json.RawMessage
		}
		if err := json.Unmarshal([]byte(data), &f); err != nil || f.Error != nil {
			return text.String(), fmt.Errorf("in the stream: %s, %w", data, err)
		}
		for _, c := range f.Choices {
			text.WriteString(c.Delta.Content)
			finish += c.Finish
		}
	}
	if finish != "stop" || !done {
		return text.String(), fmt.Errorf("the stream ended by %q, [DONE] %t", finish, done)
	}
	return text.String(), nil
}
