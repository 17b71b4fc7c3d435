package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// onFake is a fake of an engine as a node, on a network in memory.
func onFake(t *testing.T, name string, engine nodetest.Engine, network *nodetest.Network, m nodetest.Model) (*nodetest.Server, *nodes.Node) {
	t.Helper()
	fake, err := nodetest.Start(nodetest.Options{Engine: engine, Models: []nodetest.Model{m}, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c := nodes.Connection{Node: name, URL: fake.URL, Transport: network.Transport()}
	var backend nodes.Backend
	switch engine {
	case nodetest.EngineOllama:
		backend, err = ollama.New(c)
	case nodetest.EngineLMStudio:
		backend, err = lmstudio.New(c)
	case nodetest.EngineOpenAI:
		backend, err = openai.New(c)
	default:
		backend, err = llamacpp.New(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fake, node(t, nodes.Node{Name: name, Engine: string(engine), Backend: backend, Wanted: nodes.Model{Name: m.Name}})
}

const (
	imageQuestion = `{"model":"good","messages":[{"role":"user","content":[{"type":"text","text":"2+2"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`
	toolQuestion  = `{"model":"good","messages":[{"role":"user","content":"get_weather in Paris"}],"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]}`
)

// TestWhatTheModelCannotDo: each engine refuses it in its own way. The client gets the
// words, no node is blamed, and a node whose model can do it answers.
func TestWhatTheModelCannotDo(t *testing.T) {
	for _, tt := range []struct {
		report, question string
		engine           nodetest.Engine
		status           int
		words            string
	}{
		{"ollama/ollama#14795", toolQuestion, nodetest.EngineOllama, 400, "does not support tools"},
		{"lmstudio-ai/lmstudio-bug-tracker#908", imageQuestion, nodetest.EngineLMStudio, 400, "Model does not support images"},
		{"vllm-project/vllm#23402", imageQuestion, nodetest.EngineOpenAI, 400, "is not a multimodal model"},
		{"pydantic/pydantic-ai#703", toolQuestion, nodetest.EngineOllama, 400, "does not support tools"},
		{"a vLLM without a tool parser", toolQuestion, nodetest.EngineOpenAI, 400, "tool choice requires --enable-auto-tool-choice"},
		{"ggml-org/llama.cpp#13566", imageQuestion, nodetest.EngineLlamaCPP, 500, "image input is not supported"},
	} {
		t.Run(tt.report, func(t *testing.T) {
			virtual(t, func(t *testing.T, network *nodetest.Network) {
				_, m1 := onFake(t, "M1", tt.engine, network, nodetest.Model{Name: "good"})
				_, m2 := onFake(t, "M2", tt.engine, network, nodetest.Model{Name: "good"})
				table := serving(m1, m2)
				table.OnFailure(func(f route.Failure) { t.Errorf("blamed: %+v", f) })
				w := served(t, newGateway(t, table, gateway.Options{}), "/v1/chat/completions", tt.question)
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.words) {
					t.Errorf("%d: %s", w.Code, w.Body)
				}
				_, m3 := onFake(t, "M3", nodetest.EngineOllama, network, nodetest.Model{Name: "good", Vision: true, Tools: true})
				table = serving(m1, m2, m3)
				table.OnFailure(func(f route.Failure) { t.Errorf("blamed: %+v", f) })
				w = served(t, newGateway(t, table, gateway.Options{}), "/v1/chat/completions", tt.question)
				if by := w.Header().Get(gateway.HeaderNode); w.Code != http.StatusOK || by != "M3" {
					t.Errorf("where M3 can: %d by %s: %s", w.Code, by, w.Body)
				}
			})
		})
	}
}

// TestErrorInASuccessIsNone: LM Studio refuses an image for an MLX model inside a 200
// (lmstudio-ai/lms#362). It is no answer: another node gives one, and without another
// the client gets an error's status and the words.
func TestErrorInASuccessIsNone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprintf("alone: %t", alone), func(t *testing.T) {
			virtual(t, func(t *testing.T, network *nodetest.Network) {
				fake := nodetest.NewLMStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}, Network: network})
				fake.Configure(func(s *nodetest.LMStudioSettings) { s.MLX = []string{"good"} })
				backend, err := lmstudio.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: network.Transport()})
				if err != nil {
					t.Fatal(err)
				}
				list := []*nodes.Node{node(t, nodes.Node{Name: "M1", Engine: "lmstudio", Backend: backend, Wanted: nodes.Model{Name: "good"}})}
				if !alone {
					_, m2 := onFake(t, "M2", nodetest.EngineOpenAI, network, nodetest.Model{Name: "good", Vision: true})
					list = append(list, m2)
				}
				table := serving(list...)
				table.OnFailure(func(f route.Failure) { t.Errorf("blamed: %+v", f) })
				w := served(t, newGateway(t, table, gateway.Options{Wait: 1}), "/v1/chat/completions", imageQuestion)
				switch body := w.Body.String(); {
				case alone && (w.Code < 400 || !strings.Contains(body, "Vision add-on is not loaded")):
					t.Errorf("%d: %s", w.Code, body)
				case !alone && (w.Code != http.StatusOK || w.Header().Get(gateway.HeaderNode) != "M2"):
					t.Errorf("%d by %s: %s", w.Code, w.Header().Get(gateway.HeaderNode), body)
				}
			})
		})
	}
}

// TestCallsOfEveryEngine: a tool is called through the gateway, streamed and whole, by
// clients of all protocols.
func TestCallsOfEveryEngine(t *testing.T) {
	able := nodetest.Model{Name: "good", Tools: true, Knowledge: map[string]string{"get_weather in Paris": "Paris"}}
	anthropic := `{"model":"good","max_tokens":99,"messages":[{"role":"user","content":"get_weather in Paris"}],"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]}`
	for _, engine := range []nodetest.Engine{nodetest.EngineOllama, nodetest.EngineLMStudio, nodetest.EngineOpenAI, nodetest.EngineLlamaCPPRouter} {
		for path, question := range map[string]string{"/v1/chat/completions": toolQuestion, "/api/chat": toolQuestion, "/v1/messages": anthropic} {
			if engine == nodetest.EngineLlamaCPPRouter && path == "/v1/messages" {
				continue // the fake's own messages API has no calls
			}
			for _, stream := range []string{"true", "false"} {
				t.Run(fmt.Sprintf("%s, %s, stream: %s", engine, path, stream), func(t *testing.T) {
					virtual(t, func(t *testing.T, network *nodetest.Network) {
						_, m1 := onFake(t, "M1", engine, network, able)
						w := served(t, newGateway(t, serving(m1), gateway.Options{}), path, strings.Replace(question, `{`, `{"stream":`+stream+`,`, 1))
						body := strings.ReplaceAll(w.Body.String(), `\`, "")
						if w.Code != http.StatusOK || !strings.Contains(body, `"get_weather"`) || !strings.Contains(body, "Paris") {
							t.Errorf("%d: %s", w.Code, w.Body)
						}
					})
				})
			}
		}
	}
}

// TestOddFramesSayNothing: comments, empty events, empty deltas, frames without choices
// and an empty finish_reason (ollama/ollama#4357, sgl-project/sglang#3912) between the
// pieces of a stream change nothing of the answer, for clients of all protocols, also
// where it is carried on by another node.
func TestOddFramesSayNothing(t *testing.T) {
	for _, engine := range []nodetest.Engine{nodetest.EngineOllama, nodetest.EngineLMStudio, nodetest.EngineOpenAI, nodetest.EngineLlamaCPP} {
		for protocol, tt := range asked {
			for _, breaks := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, breaks: %t", engine, protocol, breaks), func(t *testing.T) {
					virtual(t, func(t *testing.T, network *nodetest.Network) {
						m1, n1 := onFake(t, "M1", engine, network, storyteller("good"))
						_, n2 := onFake(t, "M2", nodetest.EngineOllama, network, storyteller("good"))
						m1.Break(nodetest.OddFrames)
						if breaks {
							m1.BreakWith(nodetest.CutOff, nodetest.Detail{After: 30})
						}
						w := served(t, newGateway(t, serving(n1, n2), gateway.Options{}), tt.path,
							`{"model":"good","stream":true,"max_tokens":4096,"messages":[{"role":"user","content":"tell a story"}]}`)
						if text, whole := tt.read(w.Body.Bytes()); !whole || text != story {
							t.Errorf("whole %t: %.300q: %.600s", whole, text, w.Body)
						}
					})
				})
			}
		}
	}
}

// TestOriginOfAWebPage: an Ollama refuses the web pages that it doesn't know by 403
// (ollama/ollama#6021). The gateway's own policy counts: a page that it allows is
// answered by an Ollama that would not, for all protocols.
func TestOriginOfAWebPage(t *testing.T) {
	const page = "http://page.example"
	for path := range chatPaths {
		if path == "/api/show" || strings.Contains(path, "embed") || strings.HasPrefix(path, "/v1/") && path != "/v1/chat/completions" {
			continue // chats that the fake's node answers
		}
		virtual(t, func(t *testing.T, network *nodetest.Network) {
			m1, n1 := onNewOllama(t, "M1", network, nodetest.Model{Name: "good"})
			w := served(t, newGateway(t, serving(n1), gateway.Options{Origins: []string{page}}), path, question, "Origin", page)
			if w.Code != http.StatusOK || len(m1.CallsTo(nodetest.Chats)) != 1 {
				t.Errorf("%s: %d: %s", path, w.Code, w.Body)
			}
		})
	}
}
