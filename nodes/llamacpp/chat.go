package llamacpp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/turbone/jarvis/nodes"
)

// Chat implements [nodes.Backend]. A router loads a model that is not loaded,
// unless OnlyLoaded is set. A server with one model answers requests for any
// name, as the model that it has; with OnlyLoaded, another name than its model's is
// [nodes.ModelNotFound].
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	chat := b.chat
	if req.OnlyLoaded {
		router, err := b.inMemory(ctx, req.Model, req.Wake)
		if err != nil {
			return nodes.ChatReply{}, err
		}
		if router {
			// If the model is unloaded between the list and the question, the
			// router refuses the question, and does not load the model.
			chat = chat.Query(url.Values{"autoload": {"false"}})
		}
	}
	if req.NoThinking {
		chat = chat.With(map[string]any{"chat_template_kwargs": map[string]bool{"enable_thinking": false}})
	}
	reply, err := chat.Chat(ctx, req, req.Model)
	if err != nil {
		return reply, err
	}
	if reply.Text == "" && reply.Thinking == "" && reply.Finish == "stop" && reply.Tokens == 1 {
		reply.Tokens = 0 // the server counts the end token
	}
	if reply.Model != "" && b.Canonical(req.Model) != reply.Model {
		b.learn(ctx) // an alias may have been asked for before the first probe
	}
	return reply, nil
}

// learn reads the list for its aliases. A failure leaves what is known.
func (b *Backend) learn(ctx context.Context) {
	if p, err := b.props(ctx, "aliases"); err == nil {
		_, _ = b.list(ctx, "aliases", p.router())
	}
}

// inMemory returns an error unless the model is ready to answer. With wake, one that
// sleeps is.
func (b *Backend) inMemory(ctx context.Context, name string, wake bool) (router bool, err error) {
	const action = "chat"
	p, err := b.props(ctx, action)
	if err != nil {
		return false, err
	}
	models, err := b.list(ctx, action, p.router())
	if err != nil {
		return false, err
	}
	m := b.find(models, name)
	switch {
	case m == nil:
		return false, b.wire.Fail(action, nodes.ModelNotFound, fmt.Sprintf("the server does not list %q", name))
	case !wake && (p.IsSleeping || p.router() && m.Status.Value == sleeping):
		return false, b.wire.Fail(action, nodes.Asleep, name+" was put to sleep for idleness")
	case p.router() && !m.Status.runs():
		return false, b.wire.Fail(action, nodes.NotLoaded, name+" is "+m.Status.Value)
	}
	return p.router(), nil
}

// slot is an entry of GET /slots.
type slot struct {
	Processing bool `json:"is_processing"`
}

// InFlight implements [nodes.BusyReporter]. It counts the slots that are processing
// a request, on a router those of all loaded models. A server started with
// --no-slots is [nodes.ReadOnly].
func (b *Backend) InFlight(ctx context.Context) (int, error) {
	const action = "slots"
	p, err := b.props(ctx, action)
	if err != nil {
		return 0, err
	}
	paths := []string{"/slots"}
	switch {
	case p.IsSleeping: // nobody asks it, and the question would wake it
		paths = nil
	case p.router():
		models, err := b.list(ctx, action, true)
		if err != nil {
			return 0, err
		}
		paths = nil
		for _, m := range models {
			if m.Status.Value == loaded {
				paths = append(paths, "/slots?"+url.Values{"model": {m.ID}, "autoload": {"false"}}.Encode())
			}
		}
	}
	busy := 0
	for _, path := range paths {
		var slots []slot
		if err := b.wire.JSON(ctx, action, http.MethodGet, path, nil, &slots); err != nil {
			return 0, err
		}
		for _, s := range slots {
			if s.Processing {
				busy++
			}
		}
	}
	return busy, nil
}
