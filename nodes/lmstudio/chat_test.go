package lmstudio_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func ptr[T any](v T) *T { return &v }

func TestChat(t *testing.T) {
	type settings = nodetest.LMStudioSettings
	const native, openAI = "/api/v1/chat", "/v1/chat/completions"
	plain := nodes.ChatReply{Model: good, Text: answer, PromptTokens: 6, Tokens: 4, Finish: "stop"}
	thought := nodes.ChatReply{Model: thinker, Text: answer, Thinking: "let me see", PromptTokens: 6, Tokens: 7, Finish: "stop"}
	short := nodes.ChatReply{Model: thinker, Text: answer, PromptTokens: 6, Tokens: 4, Finish: "stop"}
	straight := func(q *nodes.ChatRequest) { q.NoThinking = true }
	for name, test := range map[string]struct {
		model   string // and the one that is loaded; "" is good
		change  func(*settings)
		request func(*nodes.ChatRequest)
		path    string
		want    nodes.ChatReply
	}{
		"plain": {path: openAI, want: plain},
		"its length bounded": {
			request: func(q *nodes.ChatRequest) { q.MaxTokens = 2 }, path: openAI,
			want: nodes.ChatReply{Model: good, Text: "The capital", PromptTokens: 6, Tokens: 2, Finish: "length"},
		},
		"thinking":               {model: thinker, path: openAI, want: thought},
		"thinking as reasoning":  {model: thinker, change: func(s *settings) { s.Reasoning = "reasoning" }, path: openAI, want: thought},
		"thinking in the answer": {model: thinker, change: func(s *settings) { s.Reasoning = "think" }, path: openAI, want: thought},
		"nothing but thinking": {
			model: thinker, request: func(q *nodes.ChatRequest) { q.MaxTokens = 1 }, path: openAI,
			want: nodes.ChatReply{Model: thinker, Thinking: "let", PromptTokens: 6, Tokens: 1, Finish: "length"},
		},
		"straight away": {model: thinker, request: straight, path: native, want: short},
		"straight away, its length bounded": {
			model: thinker, path: native,
			request: func(q *nodes.ChatRequest) { q.NoThinking, q.MaxTokens, q.Temperature = true, 2, ptr(0.0) },
			want:    nodes.ChatReply{Model: thinker, Text: "The capital", PromptTokens: 6, Tokens: 2, Finish: "length"},
		},
		"straight away, with a system prompt": {
			model: thinker, path: native, want: short,
			request: func(q *nodes.ChatRequest) {
				q.NoThinking = true
				q.Messages = append([]nodes.Message{{Role: nodes.RoleSystem, Text: "Be brief."}}, q.Messages...)
			},
		},
		"as little thinking as it can": {
			model: thinker, request: straight, path: native, want: thought,
			change: func(s *settings) { s.ThinkingEfforts = []string{"low", "high"} },
		},
		"always thinking": {
			model: thinker, request: straight, path: openAI, want: thought,
			change: func(s *settings) { s.ThinkingEfforts = []string{"high"} },
		},
		"straight away from one that never thinks":  {request: straight, path: openAI, want: plain},
		"straight away from one that tells nothing": {model: thinker, request: straight, change: func(s *settings) { s.NoCapabilities = true }, path: native, want: short},
		"straight away, and it cannot be asked":     {request: straight, change: func(s *settings) { s.NoCapabilities = true }, path: openAI, want: plain},
		"straight away before 0.4":                  {model: thinker, request: straight, change: func(s *settings) { s.Old = true }, path: openAI, want: thought},
		"straight away with a seed": {
			model: thinker, path: openAI, want: thought,
			request: func(q *nodes.ChatRequest) { q.NoThinking, q.Seed = true, ptr(7) },
		},
		"straight away and hot": {
			model: thinker, path: openAI, want: thought,
			request: func(q *nodes.ChatRequest) { q.NoThinking, q.Temperature = true, ptr(1.5) },
		},
		"straight away in a conversation": {
			model: thinker, path: openAI, want: thought,
			request: func(q *nodes.ChatRequest) {
				q.NoThinking = true
				q.Messages = append([]nodes.Message{{Role: nodes.RoleUser, Text: "Hi"}, {Role: nodes.RoleAssistant, Text: "Hi"}}, q.Messages...)
			},
		},
		"only if loaded":                   {request: func(q *nodes.ChatRequest) { q.OnlyLoaded = true }, path: openAI, want: plain},
		"only if loaded, in another case":  {request: func(q *nodes.ChatRequest) { q.OnlyLoaded, q.Model = true, strings.ToUpper(q.Model) }, path: openAI, want: plain},
		"only if loaded, before 0.4":       {request: func(q *nodes.ChatRequest) { q.OnlyLoaded = true }, change: func(s *settings) { s.Old = true }, path: openAI, want: plain},
		"only if loaded and straight away": {model: thinker, request: func(q *nodes.ChatRequest) { q.OnlyLoaded, q.NoThinking = true, true }, path: native, want: short},
		"only if loaded where v1 hides it": {request: func(q *nodes.ChatRequest) { q.OnlyLoaded = true }, change: func(s *settings) { s.HideInstances = true }, path: openAI, want: plain},
	} {
		for _, stream := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", streamed", false: ", whole"}[stream], func(t *testing.T) {
				model := test.model
				if model == "" {
					model = good
				}
				var change []func(*settings)
				if test.change != nil {
					change = append(change, test.change)
				}
				fake, b := start(t, nodetest.Options{Loaded: []string{model}}, change...)
				req := ask(model)
				req.Stream = stream
				var heard strings.Builder
				req.OnToken = func(s string) { heard.WriteString(s) }
				if test.request != nil {
					test.request(&req)
				}
				got, err := node(t, b, model).Ask(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(nodes.ChatReply{}, "FirstToken", "Duration")); diff != "" {
					t.Errorf("reply (-want +got):\n%s", diff)
				}
				if got.FirstToken <= 0 || got.Duration < got.FirstToken {
					t.Errorf("first token after %s, all after %s", got.FirstToken, got.Duration)
				}
				for _, part := range []string{test.want.Thinking, test.want.Text} {
					if !strings.Contains(heard.String(), part) {
						t.Errorf("OnToken got %q, without %q", heard.String(), part)
					}
				}
				chats := fake.CallsTo(nodetest.Chats)
				last := chats[len(chats)-1]
				if last.Path != test.path {
					t.Errorf("asked over %s, want %s", last.Path, test.path)
				}
				if test.path == native && !strings.Contains(last.Body, `"store":false`) {
					t.Errorf("the server keeps the answer: %s", last.Body)
				}
				if diff := cmp.Diff([]string{model}, fake.Loaded()); diff != "" {
					t.Errorf("loaded (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestOnlyLoadedLoadsNothing: what a probe must never do is load.
func TestOnlyLoadedLoadsNothing(t *testing.T) {
	for _, version := range []string{"0.4.25", "0.3.30"} {
		for _, name := range []string{other, "nobody/nothing", index} {
			for _, noThinking := range []bool{false, true} {
				fake, b := start(t, nodetest.Options{Version: version})
				fake.AddInstance(index)
				req := ask(name)
				req.OnlyLoaded, req.NoThinking = true, noThinking
				_, err := node(t, b, name).Ask(t.Context(), req)
				wantFault(t, err, nodes.NotLoaded)
				if n := len(fake.CallsTo(nodetest.Chats | nodetest.Loads)); n != 0 {
					t.Errorf("%s, %s: %d chats and loads were sent", version, name, n)
				}
			}
		}
	}
}

func TestOnlyLoadedAsksTheInstance(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.AddInstance(good)
	req := ask(good + ":2")
	req.OnlyLoaded = true
	reply, err := node(t, b, good).Ask(t.Context(), req)
	if err != nil || reply.Model != good+":2" {
		t.Errorf("got %v, %v; want the second instance", reply, err)
	}
}

// TestChatLoadsJustInTime: without OnlyLoaded, LM Studio's own ways are left
// to it.
func TestChatLoadsJustInTime(t *testing.T) {
	for _, noThinking := range []bool{false, true} {
		fake, b := start(t, nodetest.Options{})
		for _, name := range []string{thinker, other, thinker} {
			req := ask(name)
			req.NoThinking = noThinking
			if _, err := node(t, b, name).Ask(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		// The last of those loaded so is kept, and what was loaded by hand.
		if diff := cmp.Diff([]string{good, thinker}, fake.Loaded()); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
		s, err := b.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(s.Loaded[1].Expires); left < 59*time.Minute || !s.Loaded[0].Expires.IsZero() {
			t.Errorf("one leaves in %s, the other at %v", left, s.Loaded[0].Expires)
		}
	}
}

// TestChatFaults holds both protocols, streamed and whole, to the same faults.
func TestChatFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault   nodetest.Fault
		text    string
		want    nodes.Fault
		whole   nodes.Fault // where it differs without a stream
		hurried bool
	}{
		"down":                  {fault: nodetest.Down, want: nodes.Refused},
		"hang":                  {fault: nodetest.Hang, want: nodes.TimedOut, hurried: true},
		"hang in mid-answer":    {fault: nodetest.HangMidAnswer, want: nodes.TimedOut, hurried: true},
		"wedged":                {fault: nodetest.Wedged, want: nodes.TimedOut, hurried: true},
		"one byte a minute":     {fault: nodetest.Drip, want: nodes.TimedOut, hurried: true},
		"500":                   {fault: nodetest.Status500, want: nodes.ServerFailed},
		"not JSON":              {fault: nodetest.NotJSON, want: nodes.Protocol},
		"cut off":               {fault: nodetest.CutOff, want: nodes.CutOff},
		"401":                   {fault: nodetest.Unauthorized, want: nodes.Unauthorized},
		"429":                   {fault: nodetest.TooManyRequests, want: nodes.Busy},
		"a redirect":            {fault: nodetest.RedirectLoop, want: nodes.Protocol},
		"huge":                  {fault: nodetest.Huge, want: nodes.Protocol},
		"no end mark":           {fault: nodetest.NoEndMark, want: nodes.CutOff, whole: "none"},
		"empty":                 {fault: nodetest.EmptyStream, want: nodes.Empty},
		"another model":         {fault: nodetest.AnotherModelAnswers, want: nodes.WrongModel},
		"crashed":               {fault: nodetest.Crashed, want: nodes.Crashed},
		"crashed in the stream": {fault: nodetest.ErrorFrame, text: "The model has crashed without additional information. (Exit code: 6)", want: nodes.Crashed},
		"unloaded meanwhile":    {fault: nodetest.ErrorFrame, text: "Model unloaded.", want: nodes.NotLoaded},
		"too long":              {fault: nodetest.ErrorFrame, want: nodes.TooLong},
		"words never heard":     {fault: nodetest.ErrorFrame, text: "something new", want: nodes.ServerFailed, whole: nodes.BadRequest},
	} {
		for _, native := range []bool{false, true} {
			for _, stream := range []bool{true, false} {
				t.Run(name+map[bool]string{true: ", native", false: ""}[native]+map[bool]string{true: ", streamed", false: ", whole"}[stream], func(t *testing.T) {
					fake, b := start(t, nodetest.Options{Loaded: []string{thinker}})
					fake.BreakWith(test.fault, nodetest.Detail{Text: test.text, Routes: nodetest.Chats})
					req := ask(thinker)
					if test.hurried {
						req = hurried(thinker)
						req.BetweenTokens = req.FirstToken
					}
					req.NoThinking, req.Stream = native, stream
					want := test.want
					if !stream && test.whole != "" {
						want = test.whole
					}
					if native && name == "words never heard" {
						want = map[bool]nodes.Fault{true: nodes.Protocol, false: nodes.ServerFailed}[stream]
					}
					_, err := node(t, b, thinker).Ask(t.Context(), req)
					if want == "none" {
						want = ""
					}
					wantFault(t, err, want)
				})
			}
		}
	}
}

// TestAnswerSoFarIsKept: what came before a failure is evidence.
func TestAnswerSoFarIsKept(t *testing.T) {
	for _, native := range []bool{false, true} {
		fake, b := start(t, nodetest.Options{Loaded: []string{thinker}})
		fake.Break(nodetest.CutOff)
		req := ask(thinker)
		req.NoThinking = native
		fake.BreakWith(nodetest.CutOff, nodetest.Detail{Routes: nodetest.Chats})
		reply, err := b.Chat(t.Context(), req)
		wantFault(t, err, nodes.CutOff)
		if reply.Text+reply.Thinking == "" || reply.Tokens != 1 {
			t.Errorf("native %v: kept %+v", native, reply)
		}
	}
}

// TestNativeStreams feeds streams that no well-meaning server sends.
func TestNativeStreams(t *testing.T) {
	const begin = "event: chat.start\ndata: {\"type\":\"chat.start\",\"model_instance_id\":\"m\"}\n\n" +
		"event: message.delta\ndata: {\"type\":\"message.delta\",\"content\":\"Hi\"}\n\n"
	const end = "event: chat.end\ndata: {\"type\":\"chat.end\",\"result\":{\"model_instance_id\":\"m\",\"output\":[{\"type\":\"message\",\"content\":\"Hi\"}]}}\n\n"
	for name, test := range map[string]struct {
		stream string
		want   nodes.Fault
		text   string
	}{
		"whole":                        {begin + end, "", "Hi"},
		"without its last line's end":  {begin + strings.TrimSpace(end), "", "Hi"},
		"with comments and other ids":  {": ping\n\nid: 1\nretry: 5\n" + begin + ": ping\n\n" + end, "", "Hi"},
		"types without names":          {`data: {"type":"message.delta","content":"Hi"}` + "\n\n" + strings.SplitN(end, "\n", 2)[1], "", "Hi"},
		"names without types":          {"event: message.delta\ndata: {\"content\":\"Hi\"}\n\n" + end, "", "Hi"},
		"only the end":                 {end, "", "Hi"},
		"unknown events":               {"event: new.thing\ndata: {\"type\":\"new.thing\",\"content\":{\"a\":1}}\n\n" + begin + end, "", "Hi"},
		"an answer in the end alone":   {"event: chat.start\ndata: {}\n\n" + end, "", "Hi"},
		"no end":                       {begin, nodes.CutOff, "Hi"},
		"half an event":                {begin + "event: chat.end\ndata: {\"type\":\"chat", nodes.CutOff, "Hi"},
		"broken in the middle":         {"event: message.delta\ndata: {oops\n\n" + end, nodes.Protocol, ""},
		"an end without a result":      {begin + "event: chat.end\ndata: {\"type\":\"chat.end\"}\n\n", nodes.Protocol, "Hi"},
		"a proxy's words":              {begin + "proxy error: Failed to read connection", nodes.Protocol, "Hi"},
		"an error without a name":      {begin + "data: {\"error\":{\"message\":\"Model unloaded.\"}}\n\n", nodes.NotLoaded, "Hi"},
		"an error that is a string":    {begin + "event: error\ndata: {\"error\":\"The model has crashed\"}\n\n", nodes.Crashed, "Hi"},
		"an error in the OpenAI shape": {`{"error":"Model unloaded."}`, nodes.NotLoaded, ""},
		"not a stream":                 {`{"model_instance_id":"m","output":[{"type":"reasoning","content":7},{"type":"tool_call"},{"type":"message","content":"Hi"}]}`, "", "Hi"},
		"an object of another kind":    {`{"id":"chatcmpl-1","choices":[]}`, nodes.Protocol, ""},
		"nothing":                      {"", nodes.CutOff, ""},
		"an event without an end":      {begin + "data: " + strings.Repeat("x", 9<<20), nodes.Protocol, "Hi"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					_, _ = io.WriteString(w, `{"models":[{"key":"m","loaded_instances":[{"id":"m"}],"capabilities":{"reasoning":{"allowed_options":["off"]}}}]}`)
					return
				}
				_, _ = io.WriteString(w, test.stream)
			}))
			defer srv.Close()
			req := ask("m")
			req.NoThinking = true
			reply, err := connect(t, srv.URL, "").Chat(t.Context(), req)
			wantFault(t, err, test.want)
			if reply.Text != test.text {
				t.Errorf("text %q, want %q", reply.Text, test.text)
			}
		})
	}
}

// TestFirstTokenBoundsTheListToo: the deadline is for the question, however
// many requests it takes.
func TestFirstTokenBoundsTheListToo(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.BreakWith(nodetest.Hang, nodetest.Detail{Routes: nodetest.Lists})
	req := hurried(good)
	req.OnlyLoaded = true
	_, err := b.Chat(t.Context(), req)
	wantFault(t, err, nodes.TimedOut)
}

func TestServersFirstTokenWithoutAStream(t *testing.T) {
	list := models()
	list[2].TokensPerSecond = 20
	_, b := start(t, nodetest.Options{Models: list, Loaded: []string{thinker}})
	req := ask(thinker)
	req.NoThinking, req.Stream = true, false
	reply, err := b.Chat(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	// Three more tokens come after the first, 50 ms apart at the least.
	if reply.Duration-reply.FirstToken < 100*time.Millisecond {
		t.Errorf("first token after %s of %s", reply.FirstToken, reply.Duration)
	}
}

func TestRequestOfAThinkingModel(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{thinker}})
	req := ask(thinker)
	req.NoThinking, req.MaxTokens, req.Temperature = true, 9, ptr(0.0)
	if _, err := b.Chat(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(fake.CallsTo(nodetest.Chats)[0].Body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"model": thinker, "input": req.Messages[0].Text, "stream": true, "store": false, "reasoning": "off",
		"max_output_tokens": 9.0, "temperature": 0.0,
	}, sent); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
