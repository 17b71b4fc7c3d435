package openai_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/openai"
)

const key = "sk-secret-of-openai"

func backend(t *testing.T, url string) *openai.Backend {
	t.Helper()
	b, err := openai.New(nodes.Connection{Node: "O1", URL: url, Key: nodes.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	for name, settings := range map[string]nodetest.OpenAISettings{
		"as vLLM":         {},
		"flat errors":     {FlatErrors: true, Reasoning: "reasoning"},
		"string errors":   {StringErrors: true, NoUsage: true},
		"many comments":   {Comments: 1000, Reasoning: "think"},
		"a strict server": {Strict: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodetest.Run(t, func(t *testing.T) nodetest.Subject {
				fake := nodetest.NewOpenAI(t, nodetest.Options{Key: key, Models: []nodetest.Model{{Name: "m1", Thinking: "two and two"}}})
				fake.Configure(func(s *nodetest.OpenAISettings) { *s = settings })
				return nodetest.Subject{
					Backend: backend(t, fake.URL), Node: "O1", Key: nodes.NewSecret(key), Model: "m1", Faulty: fake,
				}
			})
		})
	}
}

func TestProbe(t *testing.T) {
	ok := nodes.Snapshot{LoadedUnknown: true, ReadOnly: true}
	with := func(ids ...string) nodes.Snapshot {
		s := ok
		for _, id := range ids {
			s.Loaded = append(s.Loaded, nodes.Instance{ID: id, Model: id})
		}
		return s
	}
	for name, test := range map[string]struct {
		status int
		body   string
		want   nodes.Snapshot
		fault  nodes.Fault
	}{
		"two models":            {200, `{"object":"list","data":[{"id":"a"},{"id":"b","root":"x"}]}`, with("a", "b"), ""},
		"none":                  {200, `{"object":"list","data":[]}`, ok, ""},
		"none, written in Go":   {200, `{"object":"list","data":null}`, ok, ""},
		"without its object":    {200, `{"data":[{"id":"a"}]}`, with("a"), ""},
		"an Ollama list":        {200, `{"models":[]}`, nodes.Snapshot{}, nodes.WrongEngine},
		"ids missing":           {200, `{"object":"list","data":[{"name":"a"}]}`, nodes.Snapshot{}, nodes.WrongEngine},
		"data that is no list":  {200, `{"object":"list","data":"a"}`, nodes.Snapshot{}, nodes.WrongEngine},
		"LM Studio's unknown":   {200, `{"error":"Unexpected endpoint or method. (GET /v1/models)"}`, nodes.Snapshot{}, nodes.Protocol},
		"a list, not an object": {200, `[]`, nodes.Snapshot{}, nodes.Protocol},
		"not there":             {404, `{"detail":"Not Found"}`, nodes.Snapshot{}, nodes.BadRequest},
		"starting":              {503, ``, nodes.Snapshot{}, nodes.Busy},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer srv.Close()
			got, err := backend(t, srv.URL).Probe(t.Context())
			if nodes.FaultOf(err) != test.fault || (err == nil) != (test.fault == "") {
				t.Fatalf("got %v, want fault %q", err, test.fault)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(nodes.Snapshot{}, "Latency")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestURLWithAndWithoutItsEnd(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	for _, end := range []string{"", "/", "/v1", "/v1/"} {
		t.Run(end, func(t *testing.T) {
			if _, err := backend(t, fake.URL+end).Probe(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQuirks(t *testing.T) {
	const thinking = "two and two"
	ask := nodes.ChatRequest{
		Model: "m1", Stream: true, NoThinking: true,
		Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "capital of Italy"}},
	}
	full := nodes.ChatReply{Model: "m1", Thinking: thinking, Text: "The capital is Rome.", Tokens: 7, PromptTokens: 3, Finish: "stop"}
	uncounted := full
	uncounted.PromptTokens = 0
	for name, test := range map[string]struct {
		settings nodetest.OpenAISettings
		want     nodes.ChatReply
	}{
		"nothing special":        {nodetest.OpenAISettings{}, full},
		"no usage":               {nodetest.OpenAISettings{NoUsage: true}, uncounted},
		"reasoning":              {nodetest.OpenAISettings{Reasoning: "reasoning"}, full},
		"think tags":             {nodetest.OpenAISettings{Reasoning: "think"}, full},
		"never streams":          {nodetest.OpenAISettings{NeverStreams: true}, full},
		"refuses unknown fields": {nodetest.OpenAISettings{Strict: true}, uncounted},
		"a thousand of comments": {nodetest.OpenAISettings{Comments: 1000}, full},
	} {
		t.Run(name, func(t *testing.T) {
			fake := nodetest.NewOpenAI(t, nodetest.Options{Models: []nodetest.Model{{Name: "m1", Thinking: thinking}}})
			fake.Configure(func(s *nodetest.OpenAISettings) { *s = test.settings })
			got, err := backend(t, fake.URL).Chat(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(nodes.ChatReply{}, "FirstToken", "Duration")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownModel(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{})
	_, err := backend(t, fake.URL).Chat(t.Context(), nodes.ChatRequest{Model: "nope", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "hi"}}})
	if !errors.Is(err, nodes.ModelNotFound) || !strings.Contains(fmt.Sprint(err), "/v1/models") {
		t.Errorf("got %v, want %v and what to do", err, nodes.ModelNotFound)
	}
}

func TestDeadEngine(t *testing.T) {
	for _, stream := range []bool{true, false} {
		fake := nodetest.NewOpenAI(t, nodetest.Options{})
		fake.Break(nodetest.Crashed)
		_, err := backend(t, fake.URL).Chat(t.Context(), nodes.ChatRequest{
			Model: "good", Stream: stream, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "hi"}}})
		if !errors.Is(err, nodes.Crashed) {
			t.Errorf("stream %t: got %v, want %v", stream, err, nodes.Crashed)
		}
	}
}

func TestNewRefusesABadAddress(t *testing.T) {
	if _, err := openai.New(nodes.Connection{Node: "O1", URL: "here"}); err == nil || !strings.Contains(err.Error(), "O1") {
		t.Errorf("got %v", err)
	}
	if keys := openai.LoadKeys(); len(keys) != 0 {
		t.Errorf("load keys of a server without a load: %q", keys)
	}
}
