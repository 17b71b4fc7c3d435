package nodetest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// spoken is one line of a script that fake and real server play.
type spoken struct{ name, method, path, body string }

// chats are the questions for which a server with one model and a router answer
// alike.
func chats(model string) []spoken {
	chat := func(rest string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"capital of Italy"}]%s}`, model, rest)
	}
	given := func(rest string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"capital of Italy"},{"role":"assistant","content":"Rome"}]%s}`, model, rest)
	}
	long := strings.Repeat("2+2 ", 2500)
	const v1 = "/v1/chat/completions"
	return []spoken{
		{"whole answer", "POST", v1, chat("")},
		{"streamed answer", "POST", v1, chat(`,"stream":true`)},
		{"streamed answer with usage", "POST", v1, chat(`,"stream":true,"stream_options":{"include_usage":true}`)},
		{"cut by max_tokens", "POST", v1, chat(`,"max_tokens":1`)},
		{"max_tokens 0", "POST", v1, chat(`,"max_tokens":0`)},
		{"two choices", "POST", v1, chat(`,"n":2`)},
		{"its own beginning, whole", "POST", v1, given("")},
		{"its own beginning, streamed", "POST", v1, given(`,"stream":true`)},
		{"its own beginning, both fields", "POST", v1, given(`,"stream":true,"continue_final_message":true,"add_generation_prompt":false`)},
		{"its own beginning, one field", "POST", v1, given(`,"continue_final_message":true`)},
		{"two beginnings", "POST", v1, fmt.Sprintf(`{"model":%q,"messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]}`, model)},
		{"no messages", "POST", v1, fmt.Sprintf(`{"model":%q,"messages":[]}`, model)},
		{"messages missing", "POST", v1, fmt.Sprintf(`{"model":%q}`, model)},
		{"messages of a wrong type", "POST", v1, fmt.Sprintf(`{"model":%q,"messages":"x"}`, model)},
		{"too long", "POST", v1, fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]}`, model, long)},
		{"too long, streamed", "POST", v1, fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, model, long)},
		{"completion", "POST", "/v1/completions", fmt.Sprintf(`{"model":%q,"prompt":"2+2"}`, model)},
		{"messages API", "POST", "/v1/messages", chat(`,"max_tokens":50`)},
		{"messages API, streamed", "POST", "/v1/messages", chat(`,"max_tokens":50,"stream":true`)},
		{"count_tokens", "POST", "/v1/messages/count_tokens", chat("")},
		{"responses API", "POST", "/v1/responses", fmt.Sprintf(`{"model":%q,"input":"2+2"}`, model)},
		{"embeddings without --embeddings", "POST", "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":"2+2"}`, model)},
		{"slots", "GET", "/slots?model=" + model, ""},
		{"props", "GET", "/props?model=" + model, ""},
		{"health", "GET", "/health", ""},
		{"unknown path", "GET", "/api/tags", ""},
	}
}

// transcript is what one kind of llama-server is asked.
type transcript struct {
	name   string
	real   realllamacpp.Options
	fake   func(*testing.T) *nodetest.LlamaCPP
	script []spoken
	header []string // of each question, name and value in turns
	// prepare is done to the real server before it is asked.
	prepare func(*testing.T, *realllamacpp.Server)
	// apart are the differences that are left, with their reasons.
	apart map[string]string
}

func transcripts() []transcript {
	right := realollama.Right()
	apart := map[string]string{
		"two choices": "the fake gives one answer, whatever n is",
		"slots":       "the fake uses its slots in turn, and tells one setting of them",
		"props":       "the fake tells some settings, and one of the template's abilities",
	}
	keyed := func(name string, header ...string) transcript {
		return transcript{
			name: name, real: realllamacpp.Options{Model: right, Name: "good", Args: []string{"--api-key", "k"}},
			fake: func(t *testing.T) *nodetest.LlamaCPP {
				return nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}, Key: "k"})
			},
			script: []spoken{
				{"health", "GET", "/health", ""},
				{"health of version 1", "GET", "/v1/health", ""},
				{"list", "GET", "/v1/models", ""},
				{"models", "GET", "/models", ""},
				{"chat", "POST", "/v1/chat/completions", `{"model":"good","messages":[{"role":"user","content":"2+2"}]}`},
				{"messages API", "POST", "/v1/messages", `{"model":"good","max_tokens":9,"messages":[{"role":"user","content":"2+2"}]}`},
				{"unknown path", "GET", "/api/tags", ""},
			},
			header: header,
		}
	}
	return []transcript{
		keyed("without its key"),
		keyed("with another key", "Authorization", "Bearer x"),
		keyed("with its key", "Authorization", "Bearer k"),
		keyed("with its key as X-Api-Key", "X-Api-Key", "k"),
		{
			name: "no prefill", real: realllamacpp.Options{Model: right, Name: "good", Args: []string{"--no-prefill-assistant"}},
			fake: func(t *testing.T) *nodetest.LlamaCPP {
				f := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
				f.Configure(func(s *nodetest.LlamaCPPSettings) { s.Context, s.NoEmbeddings, s.NoPrefill = 2048, true, true })
				return f
			},
			script: chats("good"), apart: apart,
		},
		{
			name: "embeddings", real: realllamacpp.Options{Model: right, Name: "good", Args: []string{"--embeddings", "--pooling", "mean"}},
			fake: func(t *testing.T) *nodetest.LlamaCPP {
				return nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
			},
			script: []spoken{
				{"one", "POST", "/v1/embeddings", `{"model":"good","input":"2+2"}`},
				{"two", "POST", "/v1/embeddings", `{"model":"good","input":["2+2","capital of Italy"]}`},
				{"by another name", "POST", "/v1/embeddings", `{"model":"nope","input":"2+2"}`},
				{"of nothing", "POST", "/v1/embeddings", `{"model":"good"}`},
				{"chat", "POST", "/v1/chat/completions", `{"model":"good","messages":[{"role":"user","content":"2+2"}]}`},
			},
		},
		{
			name: "a file that is no model", real: realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{"good": right}},
			fake: func(t *testing.T) *nodetest.LlamaCPP {
				f := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: []nodetest.Model{{Name: "bad"}, {Name: "good"}}, Loaded: []string{}})
				f.Break(nodetest.LoadFails)
				return f
			},
			prepare: func(t *testing.T, s *realllamacpp.Server) {
				if err := os.WriteFile(filepath.Join(s.Folder(), "models", "bad.gguf"), []byte("no model"), 0o600); err != nil {
					t.Fatal(err)
				}
				s.Must("GET", "/models?reload=1", nil, nil)
			},
			script: []spoken{
				{"chat", "POST", "/v1/chat/completions", `{"model":"bad","messages":[{"role":"user","content":"2+2"}]}`},
				{"list", "GET", "/models", ""},
				{"again", "POST", "/v1/chat/completions", `{"model":"bad","messages":[{"role":"user","content":"2+2"}]}`},
			},
			apart: map[string]string{"list": "the fake's file can be read and its load fails, so its context length is listed"},
		},
		{
			"one model", realllamacpp.Options{Model: right, Name: "good,second"},
			func(t *testing.T) *nodetest.LlamaCPP {
				f := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
				f.Configure(func(s *nodetest.LlamaCPPSettings) {
					s.Context, s.Aliases, s.NoEmbeddings = 2048, map[string][]string{"good": {"second"}}, true
				})
				return f
			},
			append([]spoken{
				{"list", "GET", "/v1/models", ""},
				{"load on a server with one model", "POST", "/models/load", `{"model":"good"}`},
				{"any name", "POST", "/v1/chat/completions", `{"model":"nope","messages":[{"role":"user","content":"2+2"}]}`},
				{"no name", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"2+2"}]}`},
			}, chats("good")...),
			nil, nil, apart,
		},
		{
			"router", realllamacpp.Options{Router: true, Models: map[string]tinygguf.Spec{"good": right, "other": right}},
			func(t *testing.T) *nodetest.LlamaCPP {
				f := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}, Loaded: []string{}})
				f.Configure(func(s *nodetest.LlamaCPPSettings) { s.Context, s.NoEmbeddings = 2048, true })
				return f
			},
			append(append([]spoken{
				{"nothing loaded", "GET", "/models", ""},
				{"router's props", "GET", "/props", ""},
				{"props of what is not loaded", "GET", "/props?model=good&autoload=false", ""},
				{"chat that must not load", "POST", "/v1/chat/completions?autoload=false", `{"model":"good","messages":[{"role":"user","content":"2+2"}]}`},
				{"slots of no model", "GET", "/slots", ""},
				{"unload what is not loaded", "POST", "/models/unload", `{"model":"good"}`},
				{"unload of an unknown model", "POST", "/models/unload", `{"model":"nope"}`},
				{"load of an unknown model", "POST", "/models/load", `{"model":"nope"}`},
				{"load of nothing", "POST", "/models/load", `{}`},
				{"load, bad JSON", "POST", "/models/load", `{`},
				{"unknown model", "POST", "/v1/chat/completions", `{"model":"nope","messages":[{"role":"user","content":"2+2"}]}`},
				{"no name", "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"2+2"}]}`},
				{"a chat that loads", "POST", "/v1/chat/completions", `{"model":"good","messages":[{"role":"user","content":"2+2"}]}`},
				{"load of what is loaded", "POST", "/models/load", `{"model":"good"}`},
				{"loaded", "GET", "/models", ""},
				{"delete", "DELETE", "/models?model=good", ""},
				{"download of no name", "POST", "/models", `{"model":""}`},
				{"download of a name without a user", "POST", "/models", `{"model":"good"}`},
				{"look again", "GET", "/models?reload=1", ""},
			}, chats("good")...), spoken{"unload", "POST", "/models/unload", `{"model":"good"}`}),
			nil, nil, apart,
		},
	}
}

// compare asks the fake and compares what it says with what is wanted. A
// difference that is left has its reason in apart; one that is gone has to leave
// it.
func (tr transcript) compare(t *testing.T, want func(*testing.T, spoken) exchange) {
	fake := tr.fake(t)
	for _, s := range tr.script {
		t.Run(s.name, func(t *testing.T) {
			diff := cmp.Diff(want(t, s), ask(t, fake.URL, s.method, s.path, s.body, tr.header...))
			switch reason := tr.apart[s.name]; {
			case diff != "" && reason == "":
				t.Errorf("(-real +fake):\n%s", diff)
			case diff == "" && reason != "":
				t.Errorf("they speak alike now, but the list says: %s", reason)
			}
		})
	}
}

// captured is the file of what a real server said.
func (tr transcript) captured() string {
	return filepath.Join("testdata", "llamacpp", strings.ReplaceAll(tr.name, " ", "-")+".json")
}

// TestFakeLlamaServerSpeaksAsTheRealOne asks both the same, in one order, and
// compares what they say. JARVIS_CAPTURE=1 keeps what the real one says for
// machines that have none.
func TestFakeLlamaServerSpeaksAsTheRealOne(t *testing.T) {
	for _, tr := range transcripts() {
		t.Run(tr.name, func(t *testing.T) {
			real := realllamacpp.Start(t, tr.real)
			if tr.prepare != nil {
				tr.prepare(t, real)
			}
			said := map[string]exchange{}
			tr.compare(t, func(t *testing.T, s spoken) exchange {
				said[s.name] = ask(t, real.URL, s.method, s.path, s.body, tr.header...)
				return said[s.name]
			})
			if os.Getenv("JARVIS_CAPTURE") != "1" {
				return
			}
			b, err := json.MarshalIndent(said, "", "\t")
			if err == nil {
				err = os.MkdirAll(filepath.Dir(tr.captured()), 0o755)
			}
			if err == nil {
				err = os.WriteFile(tr.captured(), append(b, '\n'), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestFakeLlamaServerSpeaksAsCaptured compares the fake with what build 11669 said.
func TestFakeLlamaServerSpeaksAsCaptured(t *testing.T) {
	for _, tr := range transcripts() {
		t.Run(tr.name, func(t *testing.T) {
			b, err := os.ReadFile(tr.captured())
			if err != nil {
				t.Fatal(err)
			}
			var said map[string]exchange
			if err := json.Unmarshal(b, &said); err != nil {
				t.Fatal(err)
			}
			tr.compare(t, func(_ *testing.T, s spoken) exchange { return said[s.name] })
		})
	}
}
