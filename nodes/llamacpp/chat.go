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
// name; with OnlyLoaded, another name than its model's is [nodes.ModelNotFound].
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	chat := b.chat
	if req.OnlyLoaded {
		router, err := b.inMemory(ctx, req.Model)
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
	return chat.Chat(ctx, req, req.Model)
}

// inMemory returns an error unless the model is ready to answer.
func (b *Backend) inMemory(ctx context.Context, name string) (router bool, err error) {
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
	case !p.router() && p.IsSleeping:
		return false, b.wire.Fail(action, nodes.NotLoaded, name+" was put to sleep for idleness")
	case p.router() && m.Status.Value != loaded:
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
	if p.router() {
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
