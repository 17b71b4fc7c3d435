package nodetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

const (
	completions = "/v1/chat/completions"
	pixel       = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	weather     = `"tools":[{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]`
	askWeather  = `"messages":[{"role":"user","content":"get_weather in Paris"}]`
	askSum      = `"messages":[{"role":"user","content":"2+2"}]`
	askImage    = `"messages":[{"role":"user","content":[{"type":"text","text":"2+2"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pixel + `"}}]}]`
	askResult   = `"messages":[{"role":"user","content":"get_weather in Paris"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"capital of France"}]`
)

// able is a model that can do all that the fakes know.
func able(name string) nodetest.Model {
	know := nodetest.Knowledge()
	know["get_weather in Paris"] = "Paris"
	return nodetest.Model{Name: name, Knowledge: know, Tools: true, Vision: true}
}

// fakes are all fakes, each with a model.
func fakes(t *testing.T, m nodetest.Model) map[string]string {
	o := nodetest.Options{Models: []nodetest.Model{m}}
	return map[string]string{
		"ollama": nodetest.NewOllama(t, o).URL, "lmstudio": nodetest.NewLMStudio(t, o).URL, "openai": nodetest.NewOpenAI(t, o).URL,
		"llamacpp": nodetest.NewLlamaCPP(t, o).URL, "llamacpp router": nodetest.NewLlamaCPPRouter(t, o).URL,
	}
}

func fetch(t *testing.T, method, url, body string, header ...string) (status int, answer string, got http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
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
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

// turn is what a client makes of an answer of OpenAI's chat API.
type turn struct {
	Text, Thinking, Finish string
	Calls                  []string
}

// heard joins an answer, streamed or whole.
func heard(t *testing.T, answer string) turn {
	t.Helper()
	type message struct {
		Content, Reasoning string
		ReasoningContent   string `json:"reasoning_content"`
		ToolCalls          []struct {
			Index    int
			ID, Type string
			Function struct{ Name, Arguments string }
		} `json:"tool_calls"`
	}
	var out turn
	parts := []string{answer}
	if strings.Contains(answer, "data: ") {
		parts = nil
		for line := range strings.Lines(answer) {
			if data, ok := strings.CutPrefix(line, "data: "); ok && !strings.HasPrefix(data, "[DONE]") {
				parts = append(parts, data)
			}
		}
	}
	for _, part := range parts {
		var in struct {
			Choices []struct {
				Delta, Message message
				FinishReason   string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal([]byte(part), &in); err != nil {
			t.Fatalf("%v: %s", err, part)
		}
		for _, c := range in.Choices {
			out.Finish += c.FinishReason
			for _, m := range []message{c.Delta, c.Message} {
				out.Text += m.Content
				out.Thinking += m.ReasoningContent + m.Reasoning
				for _, call := range m.ToolCalls {
					if call.ID != "" {
						out.Calls = append(out.Calls, call.Type+" "+call.Function.Name+" ")
					}
					out.Calls[call.Index] += call.Function.Arguments
				}
			}
		}
	}
	return out
}

// TestAbilities: every fake calls tools, takes their results, takes images, thinks and
// keeps to a schema, streamed and whole, also where frames that say nothing are sent.
func TestAbilities(t *testing.T) {
	called := turn{Finish: "tool_calls", Calls: []string{`function get_weather {"city":"Paris"}`}}
	thinker := able("good")
	thinker.Thinking = "let me see"
	sum := turn{Finish: "stop", Text: "4"}
	for _, tt := range []struct {
		name, body string
		model      nodetest.Model
		want       turn
	}{
		{"a tool is called", weather + "," + askWeather, able("good"), called},
		{"a tool has to be called", `"tool_choice":{"type":"function","function":{"name":"get_weather"}},` + weather + "," + askWeather, able("good"), called},
		{"no tool may be called", `"tool_choice":"none",` + weather + "," + askWeather, able("good"), turn{Finish: "stop", Text: "Paris"}},
		{"no tool is needed", weather + "," + askSum, able("good"), sum},
		{"a tool's result", weather + "," + askResult, able("good"), turn{Finish: "stop", Text: "Paris"}},
		{"an image", askImage, able("good"), sum},
		{"thinking", askSum, thinker, turn{Finish: "stop", Text: "4", Thinking: "let me see"}},
		{"a schema", askSum + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{
			"a":{"type":"integer"},"b":{"type":"array","items":{"enum":["x","4"]}},"c":{"type":["boolean","null"]},"d":{"anyOf":[{"const":7}]}}}}}`,
			able("good"), turn{Finish: "stop", Text: `{"a":4,"b":["4"],"c":true,"d":7}`}},
		{"JSON", askSum + `,"response_format":{"type":"json_object"}`, able("good"), turn{Finish: "stop", Text: `{"answer":"4"}`}},
	} {
		for _, odd := range []bool{false, true} {
			o := nodetest.Options{Models: []nodetest.Model{tt.model}}
			for _, engine := range []nodetest.Engine{nodetest.EngineOllama, nodetest.EngineLMStudio, nodetest.EngineLlamaCPP, nodetest.EngineLlamaCPPRouter, nodetest.EngineOpenAI} {
				t.Run(fmt.Sprintf("%s, %s, odd frames: %t", tt.name, engine, odd), func(t *testing.T) {
					o.Engine = engine
					fake, err := nodetest.Start(o)
					if err != nil {
						t.Fatal(err)
					}
					defer fake.Close()
					if odd {
						fake.Break(nodetest.OddFrames)
					}
					for _, stream := range []string{"false", "true"} {
						status, answer, _ := fetch(t, "POST", fake.URL+completions, `{"model":"good","stream":`+stream+`,`+tt.body+`}`)
						if diff := cmp.Diff(tt.want, heard(t, answer)); diff != "" || status != http.StatusOK {
							t.Errorf("stream %s: %d (-want +got):\n%s", stream, status, diff)
						}
						if odd && stream == "true" && !strings.Contains(answer, ": keep-alive") {
							t.Errorf("no odd frames: %s", answer)
						}
					}
				})
			}
		}
	}
}

// TestRefusals: a fake refuses what its model can't do in its engine's words. Those of
// LM Studio and vLLM are as reports have them.
func TestRefusals(t *testing.T) {
	plain, embedder := nodetest.Model{Name: "good"}, nodetest.Model{Name: "good", EmbeddingsOnly: true}
	long, longer := strings.Repeat("word ", 9000), strings.Repeat("word ", 40000)
	for _, tt := range []struct {
		engine string
		body   string
		model  nodetest.Model
		status int
		words  string
	}{
		{"ollama", weather + "," + askSum, plain, 400, "registry.ollama.ai/library/good:latest does not support tools"},
		{"ollama", askImage, plain, 200, `"content":"4"`}, // the real one reads over it
		{"ollama", askSum, embedder, 400, "does not support chat"},
		{"llamacpp", askImage, plain, 500, "image input is not supported - hint"},
		{"llamacpp", `"messages":[{"role":"user","content":"` + long + `"}]`, plain, 400, "request (9000 tokens) exceeds the available context size (4096 tokens)"},
		{"lmstudio", askImage, plain, 400, `{"error":"Model does not support images. Please use a model that does."}`},
		{"lmstudio", askSum, embedder, 400, "Model does not support chat completion"},
		{"openai", askImage, plain, 400, "good is not a multimodal model"},
		{"openai", weather + "," + askSum, plain, 400, "auto\\\" tool choice requires --enable-auto-tool-choice"},
		{"openai", askSum, embedder, 400, "The model does not support Chat Completions API"},
		{"openai", `"max_tokens":9,"messages":[{"role":"user","content":"` + longer + `"}]`, plain, 400, "maximum context length is 32768 tokens. However, you requested 40009 tokens (40000 in the messages, 9 in the completion)"},
	} {
		t.Run(tt.engine+", "+tt.words, func(t *testing.T) {
			status, answer, _ := fetch(t, "POST", fakes(t, tt.model)[tt.engine]+completions, `{"model":"good",`+tt.body+`}`)
			if status != tt.status || !strings.Contains(answer, tt.words) {
				t.Errorf("%d: %s", status, answer)
			}
		})
	}
	fake := nodetest.NewLMStudio(t, nodetest.Options{Models: []nodetest.Model{plain}})
	fake.Configure(func(s *nodetest.LMStudioSettings) { s.MLX = []string{"good"} })
	if status, answer, _ := fetch(t, "POST", fake.URL+completions, `{"model":"good",`+askImage+`}`); status != 200 || !strings.Contains(answer, `{"error":{"message":"Error in iterating`) {
		t.Errorf("an MLX model: %d: %s", status, answer)
	}
}

// TestAliasesAreListedAndSigned: a fake vLLM serves a model under further names, lists
// them, and signs with the first. Its embeddings come from models for them only.
func TestAliasesAreListedAndSigned(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{
		Models: []nodetest.Model{{Name: "good", Aliases: []string{"gpt-4"}}, {Name: "vectors", EmbeddingsOnly: true}}, Loaded: []string{"good", "vectors"},
	})
	_, list, _ := fetch(t, "GET", fake.URL+"/v1/models", "")
	for _, id := range []string{"good", "gpt-4", "vectors"} {
		if !strings.Contains(list, `"id":"`+id+`"`) {
			t.Errorf("%s is not in the list: %s", id, list)
		}
	}
	if status, answer, _ := fetch(t, "POST", fake.URL+completions, `{"model":"gpt-4",`+askSum+`}`); status != 200 || !strings.Contains(answer, `"model":"good"`) {
		t.Errorf("the alias: %d: %s", status, answer)
	}
	for model, want := range map[string]int{"vectors": 200, "good": 400, "nope": 404} {
		if status, answer, _ := fetch(t, "POST", fake.URL+"/v1/embeddings", `{"model":"`+model+`","input":"x"}`); status != want {
			t.Errorf("embeddings of %s: %d: %s", model, status, answer)
		}
	}
}

// TestFakeOllamaIsAbleAsTheRealOne holds tools, thinking, formats, parts and the check of
// the origin against the real server.
func TestFakeOllamaIsAbleAsTheRealOne(t *testing.T) {
	const call = `{"name": "get_weather", "arguments": {"city": "Paris"}}`
	spec := tinygguf.Spec{Rules: []tinygguf.Rule{
		{When: "get_weather in Paris", Say: call}, {When: "2+2", Say: "4"}, {When: "capital of France", Say: "Paris"}, {When: "ponder", Say: "<think> hm </think> 5"},
	}}
	real := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: spec}}})
	for name, template := range map[string]string{
		"caller":  `{{ range .Tools }}{{ . }}{{ end }}{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}{{ end }}{{ end }}<|assistant|>`,
		"thinker": `{{ range .Messages }}<|{{ .Role }}|>{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}{{ end }}<|assistant|>`,
	} {
		real.Must("POST", "/api/create", map[string]any{"model": name, "from": "good", "stream": false, "template": template}, nil)
	}
	know := map[string]string{"get_weather in Paris": "Paris", "2+2": "4", "capital of France": "Paris", "ponder": "5"}
	fake := nodetest.NewOllama(t, nodetest.Options{Loaded: []string{}, Models: []nodetest.Model{
		{Name: "good", Knowledge: know}, {Name: "caller", Knowledge: know, Tools: true}, {Name: "thinker", Knowledge: know, Thinking: "hm "},
	}})
	const evil = "http://evil.example"
	for _, tt := range []struct{ name, method, path, body, origin string }{
		{"tools of one that can't", "POST", "/api/chat", `{"model":"good",` + weather + `,` + askSum + `}`, ""},
		{"/v1 tools of one that can't", "POST", completions, `{"model":"good",` + weather + `,` + askSum + `}`, ""},
		{"a call", "POST", "/api/chat", `{"model":"caller","stream":false,` + weather + `,` + askWeather + `}`, ""},
		{"a call, streamed", "POST", "/api/chat", `{"model":"caller",` + weather + `,` + askWeather + `}`, ""},
		{"/v1 call", "POST", completions, `{"model":"caller",` + weather + `,` + askWeather + `}`, ""},
		{"/v1 call, streamed", "POST", completions, `{"model":"caller","stream":true,"stream_options":{"include_usage":true},` + weather + `,` + askWeather + `}`, ""},
		{"/v1 result", "POST", completions, `{"model":"good",` + strings.ReplaceAll(askResult, "get_weather in Paris", "go on") + `}`, ""},
		{"thinking", "POST", "/api/chat", `{"model":"thinker","stream":false,"messages":[{"role":"user","content":"ponder"}]}`, ""},
		{"/v1 thinking", "POST", completions, `{"model":"thinker","messages":[{"role":"user","content":"ponder"}]}`, ""},
		{"/v1 thinking of one that can't", "POST", completions, `{"model":"good","reasoning_effort":"high",` + askSum + `}`, ""},
		{"/v1 effort that is none", "POST", completions, `{"model":"good","reasoning_effort":"silly",` + askSum + `}`, ""},
		{"an image for one that can't see", "POST", "/api/chat", `{"model":"good","stream":false,"messages":[{"role":"user","content":"2+2","images":["` + pixel + `"]}]}`, ""},
		{"/v1 image", "POST", completions, `{"model":"good",` + askImage + `}`, ""},
		{"/v1 image by a link", "POST", completions, `{"model":"good",` + strings.ReplaceAll(askImage, "data:image/png;base64,"+pixel, "http://x/y.png") + `}`, ""},
		{"/v1 parts", "POST", completions, `{"model":"good","messages":[{"role":"user","content":[{"type":"text","text":"2+2"}]}]}`, ""},
		{"format that is none", "POST", "/api/chat", `{"model":"good","stream":false,"format":"bad",` + askSum + `}`, ""},
		{"another origin", "GET", "/api/tags", "", evil},
		{"another origin chats", "POST", "/api/chat", `{"model":"good","stream":false,` + askSum + `}`, evil},
		{"another origin asks first", "OPTIONS", "/api/chat", "", evil},
		{"this machine's origin", "GET", "/api/version", "", "http://localhost:3000"},
		{"this machine's origin asks first", "OPTIONS", "/api/chat", "", "http://localhost:3000"},
		{"an app's origin", "GET", "/api/version", "", "app://x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.origin != "" {
				var got []string
				for _, url := range []string{real.URL, fake.URL} {
					status, answer, header := fetch(t, tt.method, url+tt.path, tt.body, "Origin", tt.origin, "Access-Control-Request-Method", "POST")
					got = append(got, fmt.Sprint(status, header.Get("Access-Control-Allow-Origin"), strings.TrimSpace(answer)))
				}
				if tt.path != "/api/tags" && got[0] != got[1] || got[0][:3] != got[1][:3] {
					t.Errorf("%q", got)
				}
				return
			}
			want, got := ask(t, real.URL, tt.method, tt.path, tt.body), ask(t, fake.URL, tt.method, tt.path, tt.body)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-real +fake):\n%s", diff)
			}
		})
	}
}

// TestFakeOllamaOrigins: further origins are allowed by OLLAMA_ORIGINS.
func TestFakeOllamaOrigins(t *testing.T) {
	fake := nodetest.NewOllama(t, nodetest.Options{})
	for _, tt := range []struct {
		origins []string
		want    int
	}{{nil, 403}, {[]string{"http://page.example"}, 200}, {[]string{"*"}, 200}} {
		fake.Configure(func(s *nodetest.OllamaSettings) { s.Origins = tt.origins })
		if status, answer, _ := fetch(t, "POST", fake.URL+completions, `{"model":"good",`+askSum+`}`, "Origin", "http://page.example"); status != tt.want || status == 403 && answer != "" {
			t.Errorf("%q: %d: %q", tt.origins, status, answer)
		}
	}
}

// TestFakeLlamaServerIsAbleAsTheRealOne holds parts, images, tools and formats against
// the real server.
func TestFakeLlamaServerIsAbleAsTheRealOne(t *testing.T) {
	real := realllamacpp.Start(t, realllamacpp.Options{Model: realollama.Right(), Name: "good"})
	fake := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
	const open = `{"model":"good",`
	for _, s := range []spoken{
		{"parts", "POST", completions, open + `"messages":[{"role":"user","content":[{"type":"text","text":"2+2"}]}]}`},
		{"unknown part", "POST", completions, open + `"messages":[{"role":"user","content":[{"type":"text","text":"2+2"},{"type":"strange"}]}]}`},
		{"image", "POST", completions, open + askImage + `}`},
		{"image, streamed", "POST", completions, open + `"stream":true,` + askImage + `}`},
		{"messages API, image", "POST", "/v1/messages", open + `"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"2+2"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pixel + `"}}]}]}`},
		{"tools that it needs not", "POST", completions, open + weather + `,` + askSum + `}`},
		{"no tool may be called", "POST", completions, open + `"tool_choice":"none",` + weather + `,` + askSum + `}`},
		{"tool choice that is none", "POST", completions, open + `"tool_choice":"silly",` + weather + `,` + askSum + `}`},
		{"format that is none", "POST", completions, open + `"response_format":{"type":"silly"},` + askSum + `}`},
	} {
		t.Run(s.name, func(t *testing.T) {
			want, got := ask(t, real.URL, s.method, s.path, s.body), ask(t, fake.URL, s.method, s.path, s.body)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-real +fake):\n%s", diff)
			}
		})
	}
}
