package ollama

import (
	"context"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Chat implements [nodes.Backend]. A prompt that does not fit the context is
// [nodes.TooLong]; by default, the server would truncate it.
//
// With OnlyLoaded the model's expiry stays the same, give or take the time of
// the answer. A model that is being unloaded counts as not loaded.
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	ctx, watch := wire.NewWatch(ctx, b.wire.Node(), req.FirstToken, req.BetweenTokens)
	defer watch.Stop()
	began := time.Now()
	request, err := b.request(ctx, req)
	if err != nil {
		return nodes.ChatReply{}, err
	}
	a := answer{began: began, watch: watch, onToken: req.OnToken}
	err = stream(ctx, b, actionChat, "/api/chat", request, a.add)
	if err == nil && !a.last.Done {
		err = b.wire.Fail(actionChat, nodes.CutOff, "the answer ended before it was done")
	}
	return a.reply(), err
}

func (b *Backend) request(ctx context.Context, req nodes.ChatRequest) (*request, error) {
	no := false
	out := &request{Model: modelOf(req.Model), Stream: req.Stream, Truncate: &no}
	for _, m := range req.Messages {
		out.Messages = append(out.Messages, message{Role: string(m.Role), Content: m.Text})
	}
	if req.NoThinking {
		out.Think = &no // accepted by all models
	}
	var runner map[string]any
	var err error
	if req.OnlyLoaded {
		runner, out.KeepAlive, err = b.asLoaded(ctx, req)
	} else {
		runner, err = b.options(actionChat, req.Settings)
	}
	if err != nil {
		return nil, err
	}
	sampling := map[string]any{}
	if req.MaxTokens > 0 {
		sampling["num_predict"] = req.MaxTokens
	}
	if req.Temperature != nil {
		sampling["temperature"] = *req.Temperature
	}
	if req.Seed != nil {
		sampling["seed"] = *req.Seed
	}
	out.Options = merge(runner, sampling)
	return out, nil
}

// asLoaded returns the options and the keep-alive in force for a loaded model, so
// that a request does not change them.
func (b *Backend) asLoaded(ctx context.Context, req nodes.ChatRequest) (map[string]any, *keepAlive, error) {
	b.mu.Lock()
	known := b.version != ""
	b.mu.Unlock()
	if !known {
		if _, err := b.identify(ctx); err != nil {
			return nil, nil, err
		}
	}
	list, err := b.running(ctx, actionChat)
	if err != nil {
		return nil, nil, err
	}
	r, err := b.find(ctx, actionChat, modelOf(req.Model), list)
	if err != nil {
		return nil, nil, err
	}
	if b.instance(r, list.now).Stopping {
		return nil, nil, b.wire.Fail(actionChat, nodes.NotLoaded, req.Model+" is being unloaded")
	}
	options, err := b.inForce(ctx, r, req.Settings)
	return options, remaining(r.ExpiresAt, list.now), err
}

// answer collects the pieces of an answer.
type answer struct {
	began          time.Time
	watch          *wire.Watch
	onToken        func(string)
	text, thinking strings.Builder
	pieces         int
	first          time.Duration
	last           response
}

func (a *answer) add(r response) {
	a.last = r
	thinking, text := r.Message.Thinking, r.Message.Content
	if thinking != "" || text != "" || len(r.Message.ToolCalls) > 0 {
		a.pieces++
		if a.first == 0 {
			a.first = time.Since(a.began)
		}
		a.watch.Token()
	}
	a.thinking.WriteString(thinking)
	a.text.WriteString(text)
	for _, piece := range []string{thinking, text} {
		if a.onToken != nil && piece != "" {
			a.onToken(piece)
		}
	}
}

func (a *answer) reply() nodes.ChatReply {
	thinking, text := a.thinking.String(), a.text.String()
	if thinking == "" {
		thinking, text = wire.SplitThinking(text)
	}
	reply := nodes.ChatReply{
		Model: a.last.Model, Text: text, Thinking: thinking,
		PromptTokens: a.last.PromptEvalCount, Tokens: a.last.EvalCount,
		FirstToken: a.first, Duration: time.Since(a.began), Finish: a.last.DoneReason,
	}
	if reply.Tokens == 0 {
		reply.Tokens = a.pieces
	}
	if a.pieces == 0 && reply.Finish == "stop" {
		reply.Tokens = 0 // the server counts the end mark as a token
	}
	return reply
}
