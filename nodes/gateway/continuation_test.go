package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// onEngine starts a fake of an engine as a node.
func onEngine(t *testing.T, engine, name string) (*nodetest.Server, *nodes.Node) {
	t.Helper()
	teller := storyteller("good")
	options := nodetest.Options{Models: []nodetest.Model{teller}}
	var fake *nodetest.Server
	var backend nodes.Backend
	var err error
	switch engine {
	case "ollama":
		f, n := onOllama(t, name, teller)
		return f.Server, n
	case "lmstudio":
		fake = nodetest.NewLMStudio(t, options).Server
		backend, err = lmstudio.New(nodes.Connection{Node: name, URL: fake.URL})
	case "llamacpp", "llamacpp without prefill":
		f := nodetest.NewLlamaCPP(t, options)
		f.Configure(func(c *nodetest.LlamaCPPSettings) { c.NoPrefill = engine != "llamacpp" })
		fake = f.Server
		backend, err = llamacpp.New(nodes.Connection{Node: name, URL: fake.URL})
	case "openai", "openai that echoes":
		f := nodetest.NewOpenAI(t, options)
		f.Configure(func(c *nodetest.OpenAISettings) { c.EchoPrefill = engine != "openai" })
		fake = f.Server
		backend, err = openai.New(nodes.Connection{Node: name, URL: fake.URL})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fake, node(t, nodes.Node{Name: name, Engine: engine, Backend: backend, Wanted: nodes.Model{Name: "good"}})
}

// asked are the three protocols' requests for the story, and how their streams
// are read.
var asked = map[string]struct {
	path string
	body map[string]any
	read func(answer []byte) (text string, whole bool)
}{
	"OpenAI": {"/v1/chat/completions", map[string]any{"stream": true}, func(answer []byte) (string, bool) {
		text, err := joined(answer)
		return text, err == nil
	}},
	"Anthropic": {"/v1/messages", map[string]any{"stream": true, "max_tokens": 4096}, func(answer []byte) (string, bool) {
		var text strings.Builder
		starts, stop := strings.Count(string(answer), "event: message_start"), false
		for line := range strings.SplitSeq(string(answer), "\n") {
			data, ok := strings.CutPrefix(line, "data: ")
			var f struct {
				Type  string
				Delta struct{ Text string }
			}
			if ok && json.Unmarshal([]byte(data), &f) == nil {
				text.WriteString(f.Delta.Text)
				stop = stop || f.Type == "message_stop"
			}
		}
		return text.String(), stop && starts == 1
	}},
	"Ollama": {"/api/chat", map[string]any{}, func(answer []byte) (string, bool) {
		var text strings.Builder
		done := false
		for line := range bytes.SplitSeq(answer, []byte("\n")) {
			var f struct {
				Message struct{ Content string }
				Done    bool
			}
			if json.Unmarshal(line, &f) == nil {
				text.WriteString(f.Message.Content)
				done = done || f.Done
			}
		}
		return text.String(), done
	}},
}

// request asks for the story in a protocol.
func request(t *testing.T, address, protocol string, header ...string) (*http.Response, []byte) {
	t.Helper()
	a := asked[protocol]
	body := map[string]any{"model": "auto", "messages": []any{map[string]any{"role": "user", "content": "tell a story"}}}
	for k, v := range a.body {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+a.path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("the connection broke: %v", err)
	}
	return resp, answer
}

// TestEachProtocolIsCarriedOnByEachEngine: a stream in each client's protocol
// breaks on a node of each engine and is carried on by a node of each other;
// what a node doesn't speak is translated.
func TestEachProtocolIsCarriedOnByEachEngine(t *testing.T) {
	carries := map[string]bool{"ollama": true, "llamacpp": true, "llamacpp without prefill": true, "openai": true, "openai that echoes": true}
	for protocol := range asked {
		for _, from := range []string{"ollama", "llamacpp", "lmstudio", "openai"} {
			for _, to := range []string{"ollama", "llamacpp", "llamacpp without prefill", "lmstudio", "openai", "openai that echoes"} {
				t.Run(protocol+" from "+from+" to "+to, func(t *testing.T) {
					t.Parallel()
					wait := time.Minute
					if !carries[to] {
						wait = 100 * time.Millisecond // for a node that continues the stream, which never comes
					}
					first, m1 := onEngine(t, from, "M1")
					_, m2 := onEngine(t, to, "M2")
					table := serving(m1, m2)
					_, address := startGateway(t, table, gateway.Options{Wait: wait})
					first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 33, Routes: nodetest.Chats})
					table.OnFailure(func(route.Failure) { first.Break(nodetest.Hang) }) // it could carry on itself
					resp, answer := request(t, address, protocol)
					text, whole := asked[protocol].read(answer)
					switch {
					case resp.StatusCode != http.StatusOK || resp.Header.Get(gateway.HeaderNode) != "M1":
						t.Errorf("%s from %s", resp.Status, resp.Header.Get(gateway.HeaderNode))
					case carries[to] && (!whole || text != story):
						t.Errorf("whole %t: %q", whole, answer)
					case !carries[to] && (whole || !strings.HasPrefix(story, text) || !bytes.Contains(answer, []byte("the answer broke off"))):
						t.Errorf("want the beginning and an error, got whole %t: %q", whole, answer)
					}
				})
			}
		}
	}
}

// TestAStreamBeginsAnew where nobody can carry it on and the client asked for
// that.
func TestAStreamBeginsAnew(t *testing.T) {
	for protocol := range asked {
		t.Run(protocol, func(t *testing.T) {
			first, m1 := onEngine(t, "lmstudio", "M1")
			_, m2 := onEngine(t, "lmstudio", "M2")
			var observed seen
			_, address := startGateway(t, serving(m1, m2), gateway.Options{Wait: 100 * time.Millisecond, Observer: &observed})
			first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 33, Routes: nodetest.Chats})
			_, answer := request(t, address, protocol, gateway.HeaderRestart, "true")
			text, _ := asked[protocol].read(answer)
			if !strings.HasSuffix(text, story) || len(text) <= len(story) {
				t.Errorf("want a beginning and then the whole: %q", text)
			}
			if o := observed.wait(t, 1); len(o) != 1 || o[0].Restarted != 1 || o[0].Broken {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// TestMovedWhileItSpeaks: a node that is taken out of service hands its streams
// over, and no client notices.
func TestMovedWhileItSpeaks(t *testing.T) {
	teller := storyteller("good")
	teller.TokensPerSecond = 200
	_, m1 := onOllama(t, "M1", teller)
	_, m2 := onOllama(t, "M2", teller)
	table := serving(m1, m2)
	var observed seen
	_, address := startGateway(t, table, gateway.Options{Observer: &observed})
	table.OnFailure(func(f route.Failure) { t.Errorf("being moved is no failure of the node: %+v", f) })
	moved := make(chan struct{})
	go func() { // ends with the request below
		defer close(moved)
		for table.LastToken("M1").IsZero() {
			time.Sleep(time.Millisecond)
		}
		table.Serve("M1", false)
		table.Evict("M1")
	}()
	text, err := tell(address, true)
	<-moved
	if err != nil || text != story {
		t.Errorf("%v, %q", err, text)
	}
	if n := table.InFlight("M1") + table.InFlight("M2"); n != 0 {
		t.Errorf("%d requests are still counted", n)
	}
	if o := observed.wait(t, 1); len(o) != 1 || o[0].Resumed != 1 || o[0].Node != "M2" || len(o[0].Failures) != 0 {
		t.Errorf("observed %+v", o)
	}
}
