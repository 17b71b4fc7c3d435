package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/route"
)

// onLlama starts a fake llama-server with one model as a node that is to serve
// wanted.
func onLlama(t *testing.T, name, wanted string, m nodetest.Model, c nodetest.LlamaCPPSettings) (*nodetest.LlamaCPP, *nodes.Node) {
	t.Helper()
	fake := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{m}})
	fake.Configure(func(s *nodetest.LlamaCPPSettings) { *s = c })
	backend, err := llamacpp.New(nodes.Connection{Node: name, URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	return fake, node(t, nodes.Node{Name: name, Engine: "llamacpp", Backend: backend, Wanted: nodes.Model{Name: wanted}})
}

// TestServerWithOneModelServesItsOwnNames: it would answer for any name. No probe
// comes first.
func TestServerWithOneModelServesItsOwnNames(t *testing.T) {
	const chat, embed = "/v1/chat/completions", "/v1/embeddings"
	for _, tt := range []struct {
		name, path, model  string
		wanted             string // of the node, whose server has "good"
		status             int
		served             string
		notStrict, another bool // and by which other node it may be answered
	}{
		{name: "its id", path: chat, model: "good", status: 200, served: "good"},
		{name: "its alias", path: chat, model: "nice", status: 200, served: "good"},
		{name: "auto", path: chat, model: "auto", status: 200, served: "good"},
		{name: "an unknown name", path: chat, model: "nope", status: 404},
		{name: "an unknown name, not strict", path: chat, model: "nope", notStrict: true, status: 404},
		{name: "embeddings of its id", path: embed, model: "good", status: 200, served: "good"},
		{name: "embeddings of its alias", path: embed, model: "nice", status: 200, served: "good"},
		{name: "embeddings of an unknown name", path: embed, model: "nope", status: 404},
		{name: "embeddings of an unknown name, not strict", path: embed, model: "nope", notStrict: true, status: 404},
		{name: "embeddings of what it was to serve", path: embed, model: "planned", wanted: "planned", status: 404},
		{name: "a chat with what it was to serve", path: chat, model: "planned", wanted: "planned", status: 404},
		{name: "auto where it was to serve another", path: chat, model: "auto", wanted: "planned", status: 200, served: "good"},
		{name: "embeddings of another node's model", path: embed, model: "other", another: true, status: 200, served: "other"},
		{name: "another node's model, not strict", path: chat, model: "other", another: true, notStrict: true, status: 200, served: "other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wanted := tt.wanted
			if wanted == "" {
				wanted = "good"
			}
			fake, l1 := onLlama(t, "L1", wanted, nodetest.Model{Name: "good"}, nodetest.LlamaCPPSettings{Aliases: map[string][]string{"good": {"nice"}}})
			list := []*nodes.Node{l1}
			if tt.another {
				_, l2 := onLlama(t, "L2", "other", nodetest.Model{Name: "other"}, nodetest.LlamaCPPSettings{})
				list = append(list, l2)
			}
			_, address := startGateway(t, serving(list...), gateway.Options{Strict: !tt.notStrict})
			resp, body := post(t, address+tt.path, fmt.Sprintf(`{"model":%q,"input":"hi","messages":[{"role":"user","content":"2+2"}]}`, tt.model))
			if resp.StatusCode != tt.status || resp.Header.Get(gateway.HeaderModel) != tt.served {
				t.Errorf("%s by %q, want %d by %q: %s", resp.Status, resp.Header.Get(gateway.HeaderModel), tt.status, tt.served, body)
			}
			if asked := len(fake.CallsTo(nodetest.Chats)); tt.served != "good" && asked != 0 {
				t.Errorf("the server with the wrong model was asked %d times", asked)
			}
		})
	}
}

// TestEmbeddingsStopWhereTheirModelIsGone: no other model's vectors come instead.
func TestEmbeddingsStopWhereTheirModelIsGone(t *testing.T) {
	_, l1 := onLlama(t, "L1", "good", nodetest.Model{Name: "good"}, nodetest.LlamaCPPSettings{})
	_, l2 := onLlama(t, "L2", "other", nodetest.Model{Name: "other"}, nodetest.LlamaCPPSettings{})
	for _, strict := range []bool{true, false} {
		table := serving(l1, l2)
		_, address := startGateway(t, table, gateway.Options{Strict: strict, Wait: 1})
		ask := func() (int, string) {
			resp, _ := post(t, address+"/v1/embeddings", `{"model":"other","input":"hi"}`)
			return resp.StatusCode, resp.Header.Get(gateway.HeaderNode)
		}
		if status, by := ask(); status != http.StatusOK || by != "L2" {
			t.Errorf("strict %t: %d by %s", strict, status, by)
		}
		table.Serve("L2", false)
		if status, by := ask(); status == http.StatusOK || by != "" {
			t.Errorf("strict %t: %d by %s", strict, status, by)
		}
	}
}

// TestEmbeddingsNoticeAnotherModel: the server was restarted with another model, and
// no probe has seen it.
func TestEmbeddingsNoticeAnotherModel(t *testing.T) {
	fake := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}})
	backend, err := llamacpp.New(nodes.Connection{Node: "L1", URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	l1 := node(t, nodes.Node{Name: "L1", Engine: "llamacpp", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	if _, err := l1.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, address := startGateway(t, serving(l1), gateway.Options{Wait: 1})
	fake.Replace("other")
	resp, body := post(t, address+"/v1/embeddings", `{"model":"good","input":"hi"}`)
	if resp.StatusCode != http.StatusNotFound || len(fake.CallsTo(nodetest.Others)) != 0 {
		t.Errorf("%s: %s", resp.Status, body)
	}
	resp, body = post(t, address+"/v1/embeddings", `{"model":"other","input":"hi"}`)
	if resp.StatusCode != http.StatusOK || resp.Header.Get(gateway.HeaderModel) != "other" {
		t.Errorf("the model that it has now: %s: %s", resp.Status, body)
	}
}

// TestContinuationWorksWithAndWithoutPrefill: the form is one that a server takes
// in both cases, on the endpoint that takes it.
func TestContinuationWorksWithAndWithoutPrefill(t *testing.T) {
	for protocol := range asked {
		for _, noPrefill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, without prefill: %t", protocol, noPrefill), func(t *testing.T) {
				t.Parallel()
				first, l1 := onLlama(t, "L1", "good", storyteller("good"), nodetest.LlamaCPPSettings{})
				second, l2 := onLlama(t, "L2", "good", storyteller("good"), nodetest.LlamaCPPSettings{NoPrefill: noPrefill})
				table := serving(l1, l2)
				_, address := startGateway(t, table, gateway.Options{})
				first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 33, Routes: nodetest.Chats})
				table.OnFailure(func(route.Failure) { first.Break(nodetest.Hang) })
				_, answer := request(t, address, protocol)
				if text, whole := asked[protocol].read(answer); !whole || text != story {
					t.Errorf("whole %t: %q", whole, text)
				}
				calls := second.CallsTo(nodetest.Chats)
				if len(calls) != 1 || calls[0].Path != "/v1/chat/completions" {
					t.Fatalf("asked %+v", calls)
				}
				var sent map[string]any
				if err := json.Unmarshal([]byte(calls[0].Body), &sent); err != nil {
					t.Fatal(err)
				}
				if sent["continue_final_message"] != true || sent["add_generation_prompt"] != false {
					t.Errorf("asked to continue by %s", calls[0].Body)
				}
			})
		}
	}
}

// TestOwnBeginningIsCarriedOn: the client began the answer, and the stream breaks.
func TestOwnBeginningIsCarriedOn(t *testing.T) {
	first, l1 := onLlama(t, "L1", "good", storyteller("good"), nodetest.LlamaCPPSettings{})
	second, l2 := onLlama(t, "L2", "good", storyteller("good"), nodetest.LlamaCPPSettings{})
	table := serving(l1, l2)
	_, address := startGateway(t, table, gateway.Options{})
	first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 3, Routes: nodetest.Chats})
	table.OnFailure(func(route.Failure) { first.Break(nodetest.Hang) })
	begun := story[:40]
	body := fmt.Sprintf(`{"model":"good","stream":true,"messages":[{"role":"user","content":"tell a story"},{"role":"assistant","content":%q}]}`, begun)
	_, answer := post(t, address+"/v1/chat/completions", body)
	text, err := joined([]byte(answer))
	if err != nil || begun+text != story {
		t.Errorf("%v: %q", err, text)
	}
	if calls := second.CallsTo(nodetest.Chats); len(calls) != 1 || strings.Contains(calls[0].Body, begun+`\n`) {
		t.Errorf("asked %+v", calls)
	}
}

// TestRefusedContinuationIsRemembered for the model that refused it: the stream goes
// to the next node, and the one after that is not tried there.
func TestRefusedContinuationIsRemembered(t *testing.T) {
	var refused atomic.Int32
	m2 := onServer(t, "M2", "", func(w http.ResponseWriter, r *http.Request) {
		refused.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"code":400,"message":"Assistant response prefill is incompatible with enable_thinking.","type":"invalid_request_error"}}`)
	})
	first, l1 := onLlama(t, "L1", "good", storyteller("good"), nodetest.LlamaCPPSettings{})
	_, l3 := onLlama(t, "L3", "good", storyteller("good"), nodetest.LlamaCPPSettings{})
	table := serving(l1, m2, l3)
	_, address := startGateway(t, table, gateway.Options{})
	for range 3 {
		table.Reinstate("L1")
		first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 33, Routes: nodetest.Chats, Times: 1})
		_, answer := request(t, address, "OpenAI")
		if text, whole := asked["OpenAI"].read(answer); !whole || text != story {
			t.Errorf("whole %t: %q", whole, answer)
		}
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("the refusal was asked for %d times", n)
	}
}

// TestWholeAnswerToAnOwnBeginning holds the new part only, whatever the server sends.
func TestWholeAnswerToAnOwnBeginning(t *testing.T) {
	const begun = "The capital is"
	question := `"messages":[{"role":"user","content":"What is the capital of Italy?"},{"role":"assistant","content":"` + begun + `"}]`
	for name, tt := range map[string]struct {
		path, more string
		read       func(body string) string
		noPrefill  bool
	}{
		"OpenAI":                 {path: "/v1/chat/completions", read: contentOf},
		"Anthropic":              {path: "/v1/messages", more: `"max_tokens":50,`, read: contentOf},
		"Ollama":                 {path: "/api/chat", more: `"stream":false,`, read: contentOf},
		"Ollama without prefill": {path: "/api/chat", more: `"stream":false,`, read: contentOf, noPrefill: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, l1 := onLlama(t, "L1", "good", nodetest.Model{Name: "good"}, nodetest.LlamaCPPSettings{NoPrefill: tt.noPrefill})
			_, address := startGateway(t, serving(l1), gateway.Options{})
			resp, body := post(t, address+tt.path, `{"model":"good",`+tt.more+question+`}`)
			if got := tt.read(body); resp.StatusCode != http.StatusOK || got != " Rome." {
				t.Errorf("%s, %q: %s", resp.Status, got, body)
			}
			if n := resp.ContentLength; n >= 0 && int(n) != len(body) {
				t.Errorf("length %d of %d", n, len(body))
			}
		})
	}
}

// contentOf returns the text of a whole answer in any protocol.
func contentOf(body string) string {
	var r struct {
		Choices []struct{ Message struct{ Content string } }
		Content []struct{ Text string }
		Message struct{ Content string }
	}
	_ = json.Unmarshal([]byte(body), &r)
	text := r.Message.Content
	for _, c := range r.Choices {
		text += c.Message.Content
	}
	for _, c := range r.Content {
		text += c.Text
	}
	return text
}

// TestRouterGetsAName: a client that names no model is answered by what a node serves.
func TestRouterGetsAName(t *testing.T) {
	fake := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
	backend, err := llamacpp.New(nodes.Connection{Node: "L1", URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	l1 := node(t, nodes.Node{Name: "L1", Engine: "llamacpp", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	_, address := startGateway(t, serving(l1), gateway.Options{})
	resp, body := post(t, address+"/v1/chat/completions", `{"messages":[{"role":"user","content":"2+2"}]}`)
	if resp.StatusCode != http.StatusOK || contentOf(body) != "4" {
		t.Errorf("%s: %s", resp.Status, body)
	}
}
