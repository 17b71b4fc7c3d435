// Package openaichat is a client of the OpenAI chat protocol, as LM Studio,
// llama.cpp and others speak it. The library go-openai decodes the answers. The
// mender below it corrects the deviations of servers from the protocol: errors
// inside a successful stream, streams without an end mark, keep-alive comments,
// and thinking in three places. Error texts of one engine are recognized by the
// [wire.Classify] of that engine.
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

// Client is the chat client of one server. It is safe for concurrent use.
type Client struct {
	wire   *wire.Client
	path   string
	fields map[string]any
	query  string // of the address
	limit  int64  // of an answer, in bytes
}

// New returns a client of the endpoints below path, usually "/v1".
func New(c *wire.Client, path string) *Client {
	return &Client{wire: c, path: path, limit: wire.MaxBody}
}

// With returns a copy of c that sends these fields with every request: an engine's
// extensions of the protocol, such as cache_prompt. If the server refuses one of
// them by name, the question is asked again without it.
func (c *Client) With(fields map[string]any) *Client {
	other := *c
	other.fields = maps.Clone(c.fields)
	if other.fields == nil {
		other.fields = map[string]any{}
	}
	maps.Copy(other.fields, fields)
	return &other
}

// Query returns a copy of c that sends this query with every request.
func (c *Client) Query(query url.Values) *Client {
	other := *c
	other.query = query.Encode()
	return &other
}

// Chat asks a model one question. It blocks until the answer is complete, a
// deadline of req passes, or ctx ends. If there is an error, the reply has the
// part of the answer that came before it. Chat ignores OnlyLoaded, Settings and
// NoThinking, which the engine handles.
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
		// A strict server. Without stream_options it sends no token counts.
		delete(fields, refused)
	}
}

// refused returns the optional field that a strict server names in its refusal, or
// "" for any other error.
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

// request returns the body of a request. It is not go-openai's, which omits a
// temperature of 0 and refuses a local model with the name of one of OpenAI's.
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

// fault adds the fault to an error of the library. Errors of the mender have one.
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

// answer collects the pieces of an answer.
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

// placeholder returns the request for the library's own checks, which would take
// "o1-mini-distill" for OpenAI's. The mender sends the fields in its place.
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
