package engines_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
	"github.com/turbone/jarvis/nodes/nodetest"
)

const secret = "sk-not-to-be-shown"

// fakes are all servers of this test, each by the name of its engine and how
// it is set up.
func fakes() map[string]struct {
	engine, version string
	locked          bool
	start           func(*testing.T) string
} {
	type fake = struct {
		engine, version string
		locked          bool
		start           func(*testing.T) string
	}
	studio := func(o nodetest.Options, change func(*nodetest.LMStudioSettings)) func(*testing.T) string {
		return func(t *testing.T) string {
			f := nodetest.NewLMStudio(t, o)
			f.Configure(change)
			return f.URL
		}
	}
	keep := func(*nodetest.LMStudioSettings) {}
	return map[string]fake{
		"LM Studio 0.4":            {"lmstudio", "0.4+", false, studio(nodetest.Options{}, keep)},
		"LM Studio 0.4, nothing":   {"lmstudio", "0.4+", false, studio(nodetest.Options{Loaded: []string{}}, keep)},
		"LM Studio 0.4 with a key": {"lmstudio", "", true, studio(nodetest.Options{Key: secret}, keep)},
		"LM Studio 0.4's sibling":  {"lmstudio", "0.4+", false, studio(nodetest.Options{}, func(s *nodetest.LMStudioSettings) { s.NotFound404 = true })},
		"LM Studio 0.4 without v0": {"lmstudio", "0.4+", false, studio(nodetest.Options{}, func(s *nodetest.LMStudioSettings) { s.NoV0 = true })},
		"LM Studio 0.3":            {"lmstudio", "0.3", false, studio(nodetest.Options{Version: "0.3.30"}, keep)},
		"LM Studio before v0":      {"lmstudio", "", false, studio(nodetest.Options{Version: "0.3.5"}, func(s *nodetest.LMStudioSettings) { s.NoV0 = true })},
		"Ollama 0.32":              {"ollama", "0.32.15", false, func(t *testing.T) string { return nodetest.NewOllama(t, nodetest.Options{Version: "0.32.15"}).URL }},
		"Ollama 0.17":              {"ollama", "0.17.4", false, func(t *testing.T) string { return nodetest.NewOllama(t, nodetest.Options{Version: "0.17.4"}).URL }},
		"llama-server":             {"llamacpp", "b7000", false, func(t *testing.T) string { return nodetest.NewLlamaCPP(t, nodetest.Options{Version: "b7000"}).URL }},
		"llama-server with a key":  {"llamacpp", "", true, locked},
		"llama-server as a router": {"llamacpp", "b7000", false, func(t *testing.T) string {
			return nodetest.NewLlamaCPPRouter(t, nodetest.Options{Version: "b7000"}).URL
		}},
		"llama-server, still loading": {"llamacpp", "", false, starting},
		"OpenAI":                      {"openai", "", false, func(t *testing.T) string { return nodetest.NewOpenAI(t, nodetest.Options{}).URL }},
		"OpenAI with nothing":         {"openai", "", false, func(t *testing.T) string { return nodetest.NewOpenAI(t, nodetest.Options{Loaded: []string{}}).URL }},
		"OpenAI with a key":           {"", "", true, func(t *testing.T) string { return nodetest.NewOpenAI(t, nodetest.Options{Key: secret}).URL }},
		"llama-swap": {"openai", "llama-swap v250", false, pages(map[string]string{
			"/running": `{"running":[]}`, "/api/version": `{"version":"v250"}`, "/": "<html>",
			"/v1/models": `{"object":"list","data":[{"id":"m","object":"model","owned_by":"llama-swap"}]}`,
		})},
		"Lemonade": {"openai", "Lemonade 8.1.2", false, pages(map[string]string{
			"/v1/health": `{"status":"ok","version":"8.1.2","all_models_loaded":[]}`, "/v1/models": `{"object":"list","data":[]}`,
		})},
		"SGLang": {"openai", "SGLang", false, pages(map[string]string{
			"/get_model_info": `{"model_path":"meta/llama"}`, "/v1/models": `{"object":"list","data":[{"id":"m","owned_by":"sglang"}]}`,
		})},
		"vLLM": {"openai", "vLLM 0.11.0", false, pages(map[string]string{
			"/version": `{"version":"0.11.0"}`, "/health": "", "/v1/models": `{"object":"list","data":[{"id":"m","object":"model","owned_by":"vllm"}]}`,
		})},
		"a Go server with nothing": {"openai", "", false, pages(map[string]string{"/v1/models": `{"object":"list","data":null}`})},
		"a server that answers a page to everything": {"", "", false, func(t *testing.T) string {
			return handle(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!doctype html>") })
		}},
		"a server that answers JSON to everything": {"", "", false, func(t *testing.T) string {
			return handle(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"ok","models":{}}`) })
		}},
		"a web server":             {"", "", false, pages(nil)},
		"OpenRouter's like":        {"", "", false, pages(map[string]string{"/api/v1/models": `{"data":[{"id":"m"}]}`})},
		"something with a version": {"", "", false, pages(map[string]string{"/api/version": `{"version":"1"}`, "/version": `{"version":"1"}`, "/": "hello"})},
	}
}

func starting(t *testing.T) string {
	f := nodetest.NewLlamaCPP(t, nodetest.Options{})
	f.Configure(func(s *nodetest.LlamaCPPSettings) { s.Starting = true })
	return f.URL
}

// locked is llama-server with a key, in its very words.
func locked(t *testing.T) string {
	return handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health":
			_, _ = io.WriteString(w, `{"status":"ok"}`)
		case r.Header.Get("Authorization") != "Bearer "+secret:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`)
		}
	})
}

func handle(t *testing.T, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// pages is a server that knows some paths.
func pages(list map[string]string) func(*testing.T) string {
	return func(t *testing.T) string {
		return handle(t, func(w http.ResponseWriter, r *http.Request) {
			body, ok := list[r.URL.Path]
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, body)
		})
	}
}

func TestDetect(t *testing.T) {
	for name, test := range fakes() {
		t.Run(name, func(t *testing.T) {
			engine, version, err := engines.Detect(t.Context(), test.start(t), nil)
			if engine != test.engine || version != test.version {
				t.Errorf("got %q %q, %v; want %q %q", engine, version, err, test.engine, test.version)
			}
			var want nodes.Fault
			switch {
			case test.locked:
				want = nodes.Unauthorized
			case test.engine == "":
				want = nodes.WrongEngine
			}
			if got := nodes.FaultOf(err); got != want {
				t.Errorf("got %q of %v, want %q", got, err, want)
			}
		})
	}
}

func TestDetectChangesNothing(t *testing.T) {
	fake := nodetest.NewLMStudio(t, nodetest.Options{})
	if _, _, err := engines.Detect(t.Context(), fake.URL, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range fake.Calls() {
		if c.Method != http.MethodGet {
			t.Errorf("sent %s %s", c.Method, c.Path)
		}
	}
	if got := fmt.Sprint(fake.Loaded()); got != "[good]" {
		t.Errorf("loaded %s", got)
	}
}

func TestDetectFaults(t *testing.T) {
	for fault, want := range map[nodetest.Fault]nodes.Fault{
		nodetest.Down:            nodes.Refused,
		nodetest.Hang:            nodes.TimedOut,
		nodetest.NotJSON:         nodes.WrongEngine,
		nodetest.Status500:       nodes.WrongEngine,
		nodetest.TooManyRequests: nodes.WrongEngine,
		nodetest.CutOff:          nodes.CutOff,
		nodetest.RedirectLoop:    nodes.WrongEngine,
	} {
		t.Run(string(fault), func(t *testing.T) {
			fake := nodetest.NewOpenAI(t, nodetest.Options{})
			fake.Break(fault)
			ctx := t.Context()
			if want == nodes.TimedOut {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, _, err := engines.Detect(ctx, fake.URL, nil)
			if got := nodes.FaultOf(err); got != want {
				t.Errorf("got %q of %v, want %q", got, err, want)
			}
		})
	}
}

func TestDetectEndsWithItsContext(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := engines.Detect(ctx, fake.URL, nil)
	if !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
		t.Errorf("got %v, want the cancellation and no fault", err)
	}
}

func TestDetectRefusesANonsensicalAddress(t *testing.T) {
	if name, _, err := engines.Detect(t.Context(), "box:1234", nil); err == nil || name != "" {
		t.Errorf("got %q, %v", name, err)
	}
}
