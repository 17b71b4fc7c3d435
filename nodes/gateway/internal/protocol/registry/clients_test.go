package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ollama/ollama/api"
	"github.com/sashabaranov/go-openai"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	openaicodec "github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

// told is an answer with all there is.
var told = []protocol.Delta{
	{Thinking: "hm, "}, {Thinking: "yes"}, {Text: "It's "}, {Text: "\"4\"\n"},
	{ToolCalls: []protocol.ToolCallDelta{{ID: "call_a", Name: "f", Arguments: `{"n":`}}}, {ToolCalls: []protocol.ToolCallDelta{{Arguments: `1}`}}},
	{ToolCalls: []protocol.ToolCallDelta{{Index: 1, ID: "call_b", Name: "g", Arguments: `{}`}}},
	{Finish: protocol.FinishToolCalls}, {Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true}}, {Done: true},
}

// serve answers each request with the body.
func serve(t *testing.T, kind string, body []byte) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func clientOfOpenAI(t *testing.T, body []byte) *openai.Client {
	config := openai.DefaultConfig("")
	config.BaseURL = serve(t, "text/event-stream", body) + "/v1"
	return openai.NewClientWithConfig(config)
}

func TestGoOpenAIReadsAStream(t *testing.T) {
	client := clientOfOpenAI(t, protocoltest.Write(openaicodec.Codec{}, protocoltest.Info, told...))
	stream, err := client.CreateChatCompletionStream(context.Background(), openai.ChatCompletionRequest{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	got := protocol.Reply{}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got.ID, got.Model, got.Created = r.ID, r.Model, r.Created
		if r.Usage != nil {
			got.Usage = protocol.Usage{Prompt: r.Usage.PromptTokens, Completion: r.Usage.CompletionTokens, Known: true}
		}
		for _, choice := range r.Choices {
			got.Text += choice.Delta.Content
			got.Thinking += choice.Delta.ReasoningContent
			if choice.FinishReason != "" {
				got.Finish = protocol.Finish(choice.FinishReason)
			}
			for _, c := range choice.Delta.ToolCalls {
				if *c.Index == len(got.ToolCalls) {
					got.ToolCalls = append(got.ToolCalls, protocol.ToolCall{ID: c.ID, Name: c.Function.Name})
				}
				got.ToolCalls[*c.Index].Arguments += c.Function.Arguments
			}
		}
	}
	want := answered()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// answered is what was told as a whole.
func answered() protocol.Reply {
	return protocol.Reply{
		ID: "id-1", Model: "m", Created: 1763942400, Thinking: "hm, yes", Text: "It's \"4\"\n",
		ToolCalls: []protocol.ToolCall{{ID: "call_a", Name: "f", Arguments: `{"n":1}`}, {ID: "call_b", Name: "g", Arguments: "{}"}},
		Finish:    protocol.FinishToolCalls, Usage: protocol.Usage{Prompt: 9, Completion: 2, Known: true},
	}
}

func TestGoOpenAIReadsAnErrorInAStream(t *testing.T) {
	body := protocoltest.Write(openaicodec.Codec{}, protocoltest.Info, protocol.Delta{Text: "4"}, protocol.Delta{Error: "all nodes are gone", Status: 503})
	stream, err := clientOfOpenAI(t, body).CreateChatCompletionStream(context.Background(), openai.ChatCompletionRequest{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	var failed *openai.APIError
	if !errors.As(err, &failed) || failed.Message != "all nodes are gone" {
		t.Errorf("error %v", err)
	}
}

func TestGoOpenAIReadsAReply(t *testing.T) {
	r, err := clientOfOpenAI(t, openaicodec.Codec{}.WriteReply(answered())).CreateChatCompletion(context.Background(), openai.ChatCompletionRequest{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Choices[0].Message
	if m.Content != "It's \"4\"\n" || m.ReasoningContent != "hm, yes" || len(m.ToolCalls) != 2 || r.Usage.TotalTokens != 11 {
		t.Errorf("got %+v", r)
	}
}

func TestAnthropicsLibrariesReadAStream(t *testing.T) {
	accepts(t, protocoltest.Write(anthropic.Codec{}, protocoltest.Info, told...))
	accepts(t, protocoltest.Write(anthropic.Codec{}, protocoltest.Info, protocol.Delta{Done: true}))
}

func TestOllamasClientReads(t *testing.T) {
	for name, body := range map[string][]byte{
		"a stream": protocoltest.Write(ollama.Codec{}, protocoltest.Info, told...),
		"a reply":  append(ollama.Codec{}.WriteReply(answered()), '\n'),
	} {
		t.Run(name, func(t *testing.T) {
			at, err := url.Parse(serve(t, "application/x-ndjson", body))
			if err != nil {
				t.Fatal(err)
			}
			got := protocol.Reply{ID: "id-1", Finish: protocol.FinishToolCalls}
			done := false
			err = api.NewClient(at, http.DefaultClient).Chat(context.Background(), &api.ChatRequest{Model: "m"}, func(r api.ChatResponse) error {
				got.Model, got.Created = r.Model, r.CreatedAt.Unix()
				got.Text += r.Message.Content
				got.Thinking += r.Message.Thinking
				for _, c := range r.Message.ToolCalls {
					got.ToolCalls = append(got.ToolCalls, protocol.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments.String()})
				}
				got.Usage.Add(protocol.Usage{Prompt: r.PromptEvalCount, Completion: r.EvalCount, Known: r.Done})
				done = r.Done && r.DoneReason == "stop"
				return nil
			})
			if err != nil || !done {
				t.Fatalf("done %v, error %v", done, err)
			}
			if diff := cmp.Diff(answered(), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOllamasServerReadsARequest(t *testing.T) {
	body, err := ollama.Codec{}.WriteRequest(asked())
	if err != nil {
		t.Fatal(err)
	}
	var got api.ChatRequest
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 6 || len(got.Messages[1].Images) != 1 || len(got.Tools) != 2 || got.Messages[2].ToolCalls[0].Function.Arguments.Len() != 1 {
		t.Errorf("got %+v", got)
	}
}
