package ollama_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestThinking(t *testing.T) {
	for _, test := range []struct {
		name           string
		inContent      bool
		noThinking     bool
		text, thinking string
	}{
		{"in its own field", false, false, "4", "Let me see: 2 and 2."},
		{"as tags in the content", true, false, "4", "Let me see: 2 and 2."},
		{"switched off", false, true, "4", ""},
	} {
		for _, stream := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				fake, b := start(t, nodetest.Options{Models: []nodetest.Model{{Name: "good", Thinking: "Let me see: 2 and 2."}}})
				fake.Configure(func(s *nodetest.OllamaSettings) { s.NoThinkField = test.inContent })
				reply, err := b.Chat(within(t, long), nodes.ChatRequest{
					Model: "good", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "2+2"}},
					Stream: stream, NoThinking: test.noThinking,
				})
				if err != nil || reply.Text != test.text || reply.Thinking != test.thinking {
					t.Errorf("text %q, thinking %q, %v", reply.Text, reply.Thinking, err)
				}
			})
		}
	}
}

func TestThinkingSwitchedOffIsTakenByEveryModel(t *testing.T) {
	_, b := start(t, nodetest.Options{})
	if _, err := b.Chat(within(t, long), canary("good")); err != nil {
		t.Error(err)
	}
}

func TestRequest(t *testing.T) {
	zero, seed := 0.0, 7
	for _, test := range []struct {
		name string
		req  nodes.ChatRequest
		want string
	}{
		{"nothing set", nodes.ChatRequest{}, `{"truncate": false, "stream": false}`},
		{
			"all set",
			nodes.ChatRequest{
				MaxTokens: 5, Temperature: &zero, Seed: &seed, Stream: true, NoThinking: true,
				Settings: nodes.Settings{"num_ctx": 4096.0, "num_thread": uint8(3), "use_mmap": false},
			},
			`{"options": {"num_predict": 5, "temperature": 0, "seed": 7, "num_ctx": 4096, "num_thread": 3, "use_mmap": false},
			  "truncate": false, "stream": true, "think": false}`,
		},
		{"only loaded, for ever", nodes.ChatRequest{OnlyLoaded: true}, `{"options": {"num_ctx": 4096}, "truncate": false, "stream": false, "keep_alive": -1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			test.req.Model, test.req.Messages = "good", []nodes.Message{{Role: nodes.RoleSystem, Text: "Be brief."}, {Role: nodes.RoleUser, Text: "2+2"}}
			if _, err := b.Chat(within(t, long), test.req); err != nil {
				t.Fatal(err)
			}
			var got, want map[string]any
			decode(t, fake.CallsTo(nodetest.Chats)[0].Body, &got)
			decode(t, test.want, &want)
			want["model"] = "good"
			want["messages"] = []any{map[string]any{"role": "system", "content": "Be brief."}, map[string]any{"role": "user", "content": "2+2"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func decode(t *testing.T, text string, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestSettingsThatOllamaDoesNotKnow(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	for name, settings := range map[string]nodes.Settings{
		"context_length": {"context_length": 4096},
		"num_ctx":        {"num_ctx": "many"},
		"num_gpu":        {"num_gpu": 1.5},
		"use_mmap":       {"use_mmap": "yes"},
		"num_thread":     {"num_thread": nil},
	} {
		_, err := b.Load(within(t, long), nodes.Model{Name: "good", Settings: settings})
		wantFault(t, name, err, nodes.BadRequest)
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
		_, err = b.Chat(within(t, long), nodes.ChatRequest{Model: "good", Settings: settings})
		wantFault(t, name, err, nodes.BadRequest)
	}
	if calls := fake.CallsTo(nodetest.Loads | nodetest.Chats); len(calls) > 0 {
		t.Errorf("the server was asked: %s", calls[0].Body)
	}
}

func TestPromptTooLong(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.LoadBehindBack("good", map[string]any{"num_ctx": 100}, -1)
	req := canary("good")
	req.Messages[0].Text = strings.Repeat("word ", 200)
	_, err := b.Chat(within(t, long), req)
	wantFault(t, "prompt over num_ctx", err, nodes.TooLong)
}

func TestQueueFull(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.QueueFull)
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "chat", err, nodes.Busy)
	_, err = b.Load(within(t, long), nodes.Model{Name: "other"})
	wantFault(t, "load", err, nodes.Busy)
}

func TestFilesThatAreGoneOrCorrupt(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.BlobGone, s.Corrupt = []string{"good"}, []string{"other"} })
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "chat, gone", err, nodes.ModelNotFound)
	_, err = b.Load(within(t, long), nodes.Model{Name: "good"})
	wantFault(t, "load, gone", err, nodes.ModelNotFound)
	_, err = b.Load(within(t, long), nodes.Model{Name: "other"})
	wantFault(t, "load, corrupt", err, nodes.LoadFailed)
	_, err = b.Chat(within(t, long), nodes.ChatRequest{Model: "other", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "2+2"}}})
	wantFault(t, "chat, corrupt", err, nodes.ServerFailed)
}

func TestUnknownModelInAllItsWords(t *testing.T) {
	for _, text := range []string{"model '%s' not found", "model %q not found, try pulling it first", "model %q not found"} {
		fake, b := start(t, nodetest.Options{})
		fake.Configure(func(s *nodetest.OllamaSettings) { s.NotFoundText = text })
		_, err := b.Chat(within(t, long), nodes.ChatRequest{Model: "nope"})
		wantFault(t, text, err, nodes.ModelNotFound)
		_, err = b.Load(within(t, long), nodes.Model{Name: "nope"})
		wantFault(t, text, err, nodes.ModelNotFound)
		if err := b.Unload(within(t, long), "nope"); err != nil {
			t.Errorf("unload: %v", err)
		}
	}
}

func TestLoadKeepsAndUnloadLetsGo(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	inst, err := b.Load(within(t, long), nodes.Model{Name: "good", Settings: nodes.Settings{"num_ctx": 1000}})
	if err != nil {
		t.Fatal(err)
	}
	want := nodes.Instance{
		ID: "good:latest", Model: "good:latest", Digest: inst.Digest, Size: 1 << 30, VRAM: 1 << 30, Settings: nodes.Settings{"num_ctx": 1000},
	}
	if diff := cmp.Diff(want, inst); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var sent map[string]any
	decode(t, fake.CallsTo(nodetest.Loads)[0].Body, &sent)
	if sent["keep_alive"] != -1.0 || sent["stream"] != false {
		t.Errorf("load sent %v", sent)
	}
	if err := b.Unload(within(t, long), inst.ID); err != nil || len(fake.Loaded()) != 0 {
		t.Errorf("unload: %v, loaded %v", err, fake.Loaded())
	}
}

func TestDownload(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.Registry = []nodetest.Model{{Name: "new", Size: 4000}} })
	var last nodes.Progress
	var statuses []string
	progress := func(p nodes.Progress) {
		statuses = append(statuses, strings.Fields(p.Status)[0])
		if p.Total > 0 {
			last = p
		}
	}
	if err := b.Download(within(t, long), "new", progress); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pulling", "pulling", "pulling", "pulling", "pulling", "verifying", "writing", "success"}, statuses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if last.Total != 4000 || last.Completed != 3000 {
		t.Errorf("progress %+v", last)
	}
	if len(snapshot(t, b).OnDisk) != 3 {
		t.Error("the model is not on disk")
	}
	wantFault(t, "unknown", b.Download(within(t, long), "nope", nil), nodes.ModelNotFound)
	fake.Configure(func(s *nodetest.OllamaSettings) { s.PullStops = true })
	wantFault(t, "stopped in the middle", b.Download(within(t, long), "new", nil), nodes.CutOff)
}

func TestRetryAfterIsKept(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.BreakWith(nodetest.TooManyRequests, nodetest.Detail{Delay: 7 * time.Second})
	_, err := b.Chat(within(t, long), canary("good"))
	var e *nodes.Error
	if !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
		t.Errorf("got %v", err)
	}
}
