// Package openaichat asks questions over the OpenAI chat protocol, as LM
// Studio, llama.cpp and others speak it. The decoding is go-openai's; what the
// servers do beside the protocol (errors inside a successful stream, streams
// that just end, keep-alive comments, thinking in three places) is mended on
// the way to it, see mender. It knows no engine: an engine's own error texts
// are read by the Classify of its [wire.Client].
package openaichat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

const action = "chat"

// Client asks one server. Safe for concurrent use.
type Client struct {
	wire   *wire.Client
	path   string
	fields map[string]any
	query  string // of the address
	limit  int64  // of an answer, in bytes
}

// New returns a client of the protocol below path, usually "/v1".
func New(c *wire.Client, path string) *Client {
	return &Client{wire: c, path: path, limit: wire.MaxBody}
}

// With returns a copy that sends these fields with every request: what an
// engine knows beyond the protocol (ttl, cache_prompt, chat_template_kwargs). A
// server that refuses one of them by name is asked again without it.
func (c *Client) With(fields map[string]any) *Client {
	other := *c
	other.fields = maps.Clone(c.fields)
	if other.fields == nil {
		other.fields = map[string]any{}
	}
	maps.Copy(other.fields, fields)
	return &other
}

// Query returns a copy that asks with this query in the address.
func (c *Client) Query(query url.Values) *Client {
	other := *c
	other.query = query.Encode()
	return &other
}

// Chat asks model one question. It blocks until the answer is complete, a
// deadline of req passes or ctx ends. On an error the reply holds what came
// before it. OnlyLoaded, Settings and NoThinking of req are the engine's
// business and are ignored here.
func (c *Client) Chat(ctx context.Context, req nodes.ChatRequest, model string) (nodes.ChatReply, error) {
	ctx, watch := wire.NewWatch(ctx, c.wire.Node(), req.FirstToken, req.BetweenTokens)
	defer watch.Stop()
	fields := c.request(req, model)
	for {
		reply, err := c.ask(ctx, watch, req, fields)
		refused := c.refused(err, fields)
		if refused == "" {
			return reply, err
		}
		// A strict server. Without stream_options it gives no token counts.
		delete(fields, refused)
	}
}

// refused returns the field that a strict server named in its refusal, "" where
// the error is none or the field is one that can't be left out.
func (c *Client) refused(err error, fields map[string]any) string {
	var e *nodes.Error
	if !errors.As(err, &e) || e.Fault != nodes.BadRequest {
		return ""
	}
	for name := range fields {
		if _, extra := c.fields[name]; (extra || name == "stream_options") && strings.Contains(e.Detail, name) {
			return name
		}
	}
	return ""
}

// request returns the fields that go-openai would leave out or refuse: a
// temperature of 0, a local model that is called as one of OpenAI's.
func (c *Client) request(req nodes.ChatRequest, model string) map[string]any {
	fields := maps.Clone(c.fields)
	if fields == nil {
		fields = map[string]any{}
	}
	fields["model"] = model
	fields["messages"] = messages(req.Messages)
	fields["stream"] = req.Stream
	if req.Stream {
		fields["stream_options"] = map[string]bool{"include_usage": true}
	}
	if req.MaxTokens > 0 {
		fields["max_tokens"] = req.MaxTokens
	}
	if req.Temperature != nil {
		fields["temperature"] = *req.Temperature
	}
	if req.Seed != nil {
		fields["seed"] = *req.Seed
	}
	return fields
}

func messages(list []nodes.Message) []map[string]string {
	out := make([]map[string]string, len(list))
	for i, m := range list {
		out[i] = map[string]string{"role": string(m.Role), "content": m.Text}
	}
	return out
}

func (c *Client) ask(ctx context.Context, watch *wire.Watch, req nodes.ChatRequest, fields map[string]any) (nodes.ChatReply, error) {
	m := &mender{wire: c.wire, fields: fields, query: c.query, stream: req.Stream, limit: c.limit}
	config := openai.DefaultConfig("") // the key is the mender's
	config.BaseURL = c.wire.URL(c.path)
	config.HTTPClient = m
	client := openai.NewClientWithConfig(config)

	a := answer{began: time.Now(), watch: watch, onToken: req.OnToken}
	var err error
	if req.Stream {
		err = a.stream(ctx, client)
		if err == nil && a.finish == "" && !m.done {
			err = c.wire.Fail(action, nodes.CutOff, fmt.Sprintf("the stream ended after %d pieces, without its end mark", a.pieces))
		}
	} else {
		err = a.whole(ctx, client)
	}
	if err == nil && a.finish == "error" {
		err = c.wire.Fail(action, nodes.ServerFailed, "the answer's finish_reason is an error")
	}
	return a.reply(), c.fault(ctx, err)
}

// fault gives an error of the library its fault. Those of the mender have one.
func (c *Client) fault(ctx context.Context, err error) error {
	var known *nodes.Error
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) != nil:
		return c.wire.Transport(ctx, action, err)
	case errors.As(err, &known):
		return known
	}
	return c.wire.Fail(action, nodes.Protocol, err.Error())
}

// answer gathers the pieces of an answer.
type answer struct {
	began           time.Time
	watch           *wire.Watch
	onToken         func(string)
	text, reasoning strings.Builder
	pieces          int
	first           time.Duration
	model, finish   string
	usage           openai.Usage
}

// The library's checks of a request don't see the fields that the mender
// sends, so that a name like "o1-mini-distill" is not taken for OpenAI's own.
func placeholder(stream bool) openai.ChatCompletionRequest {
	return openai.ChatCompletionRequest{Model: "placeholder", Stream: stream}
}

func (a *answer) whole(ctx context.Context, client *openai.Client) error {
	r, err := client.CreateChatCompletion(ctx, placeholder(false))
	if err != nil {
		return err
	}
	a.model, a.usage = r.Model, r.Usage
	for _, choice := range r.Choices {
		if choice.Index == 0 {
			a.piece(choice.Message.ReasoningContent, choice.Message.Content)
			a.finish = string(choice.FinishReason)
		}
	}
	return nil
}

func (a *answer) stream(ctx context.Context, client *openai.Client) error {
	s, err := client.CreateChatCompletionStream(ctx, placeholder(true))
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if chunk.Model != "" {
			a.model = chunk.Model
		}
		if chunk.Usage != nil {
			a.usage = *chunk.Usage
		}
		for _, choice := range chunk.Choices {
			if choice.Index != 0 {
				continue
			}
			a.piece(choice.Delta.ReasoningContent, choice.Delta.Content)
			if choice.FinishReason != "" {
				a.finish = string(choice.FinishReason)
			}
		}
	}
}

func (a *answer) piece(reasoning, text string) {
	if reasoning == "" && text == "" {
		return
	}
	a.watch.Token()
	if a.pieces == 0 {
		a.first = time.Since(a.began)
	}
	a.pieces++
	a.reasoning.WriteString(reasoning)
	a.text.WriteString(text)
	if a.onToken == nil {
		return
	}
	for _, s := range []string{reasoning, text} {
		if s != "" {
			a.onToken(s)
		}
	}
}

func (a *answer) reply() nodes.ChatReply {
	tagged, text := wire.SplitThinking(a.text.String())
	thinking := a.reasoning.String()
	if tagged != "" {
		thinking = strings.TrimSpace(thinking + "\n" + tagged)
	}
	tokens := a.usage.CompletionTokens
	if tokens == 0 {
		tokens = a.pieces
	}
	return nodes.ChatReply{
		Model: a.model, Text: text, Thinking: thinking,
		PromptTokens: a.usage.PromptTokens, Tokens: tokens,
		FirstToken: a.first, Duration: time.Since(a.began), Finish: a.finish,
	}
}
