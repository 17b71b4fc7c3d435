package ollama_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

func TestProbe(t *testing.T) {
	fake, b := start(t, nodetest.Options{Models: []nodetest.Model{
		{Name: "good", Size: 5 << 30, Digest: "d1", VRAMShare: 0.5},
		{Name: "hf.co/Someone/Other-GGUF:Q4_K_M", Size: 7 << 30, Digest: "d2"},
		{Name: "gpt-oss:120b-cloud", Digest: "d3"},
	}})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.Remote = []string{"gpt-oss:120b-cloud"} })
	got := snapshot(t, b)
	got.Latency = 0
	want := nodes.Snapshot{
		Version: "0.17.4",
		OnDisk: []nodes.File{
			{Name: "good:latest", Size: 5 << 30, Digest: "d1", Quantization: "Q4_K_M"},
			{Name: "hf.co/Someone/Other-GGUF:Q4_K_M", Size: 7 << 30, Digest: "d2", Quantization: "Q4_K_M"},
		},
		Loaded: []nodes.Instance{{
			ID: "good:latest", Model: "good:latest", Digest: "d1", Settings: nodes.Settings{"num_ctx": 4096}, Size: 5 << 30, VRAM: 5 << 29,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProbeOfAnEmptyServer(t *testing.T) {
	_, b := start(t, nodetest.Options{Models: []nodetest.Model{}, Loaded: []string{}})
	if s := snapshot(t, b); s.OnDisk == nil || len(s.OnDisk) != 0 || len(s.Loaded) != 0 {
		t.Errorf("on disk %#v, loaded %v: want none, and that it is known", s.OnDisk, s.Loaded)
	}
}

func TestExpiryIsTheServersTime(t *testing.T) {
	for _, skew := range []time.Duration{0, time.Hour, -time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			fake.Configure(func(s *nodetest.OllamaSettings) { s.ClockSkew = skew })
			fake.LoadBehindBack("good", nil, 10*time.Minute)
			inst := snapshot(t, b).Loaded[0]
			if inst.Stopping || inst.Expires.IsZero() {
				t.Errorf("%+v: want an expiry, and it is not stopping", inst)
			}
			if _, err := b.Chat(within(t, long), canary("good")); err != nil {
				t.Fatal(err)
			}
			body := fake.CallsTo(nodetest.Chats)[0].Body
			if !strings.Contains(body, `"keep_alive":"9m`) && !strings.Contains(body, `"keep_alive":"10m0`) {
				t.Errorf("the canary sent %s: want about ten minutes", body)
			}
		})
	}
}

func TestListThatPanicsOnceIsReadAgain(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.BreakWith(nodetest.ListPanics, nodetest.Detail{Times: 1})
	snapshot(t, b)
	fake.Break(nodetest.ListPanics)
	_, err := b.Probe(within(t, long))
	wantFault(t, "a list that always panics", err, nodes.ServerFailed)
}

// TestIdentity tells other servers by what they say, not by their status.
func TestIdentity(t *testing.T) {
	const page = "<!doctype html><title>llama.cpp</title>"
	for _, test := range []struct {
		name   string
		routes map[string]string // path: body of a 200; others are 404
		all    string            // body of a 200 for every path
		want   nodes.Fault
	}{
		{"LM Studio", nil, `{"error":"Unexpected endpoint or method. (GET /api/version)"}`, nodes.WrongEngine},
		{"llama-server", map[string]string{"/": page, "/api/tags": `{"models":[]}`}, "", nodes.WrongEngine},
		{"an OpenAI-compatible server", map[string]string{"/v1/models": `{"object":"list","data":[]}`}, "", nodes.WrongEngine},
		{"a version of another shape", map[string]string{"/api/version": `{"version":3}`}, "", nodes.WrongEngine},
		{"no lists", map[string]string{"/api/version": `{"version":"1.0"}`}, "", nodes.WrongEngine},
		{"empty lists", map[string]string{"/api/version": `{"version":"1.0"}`, "/api/ps": `{}`, "/api/tags": `{}`}, "", nodes.WrongEngine},
		{"nothing at all", map[string]string{"/api/version": ""}, "", nodes.Protocol},
		{"a sign-in page", nil, page, nodes.Protocol},
		{"a proxy that hides the version", map[string]string{"/": "Ollama is running", "/api/ps": `{"models":[]}`, "/api/tags": `{"models":[]}`}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, ok := test.routes[r.URL.Path]
				if !ok && test.all == "" {
					http.NotFound(w, r)
					return
				}
				_, _ = w.Write([]byte(body + test.all))
			}))
			defer server.Close()
			_, err := backend(t, server.URL).Probe(within(t, long))
			wantFault(t, "probe", err, test.want)
		})
	}
}

func TestConfigsThatCannotBeRight(t *testing.T) {
	for _, url := range []string{"", "localhost:11434", "ftp://localhost", "http://", "http://user:secret@localhost:11434", "http://[::1"} {
		if _, err := ollama.New(nodes.Connection{Node: "OL1", URL: url}); err == nil || !strings.Contains(err.Error(), "OL1") {
			t.Errorf("%q: %v", url, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error holds the password: %v", url, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	_, b := start(t, nodetest.Options{})
	for name, want := range map[string]string{
		"good":                                "good:latest",
		"good:latest":                         "good:latest",
		"Good:8B":                             "good:8b",
		"library/good":                        "library/good:latest",
		"registry.ollama.ai/library/good":     "good:latest",
		"registry.ollama.ai/someone/good:8b":  "someone/good:8b",
		"hf.co/Someone/Other-GGUF":            "hf.co/someone/other-gguf:latest",
		"host:5000/someone/good":              "host:5000/someone/good:latest",
		"localhost:5000/someone/good:8b-q4_0": "localhost:5000/someone/good:8b-q4_0",
		"":                                    "",
	} {
		if got := b.Canonical(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
