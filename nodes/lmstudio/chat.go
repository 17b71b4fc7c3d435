package lmstudio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Chat implements [nodes.Backend]. The package's comment describes thinking.
//
// With OnlyLoaded it lists first and asks the instance by its ID. If the model is
// unloaded between the two, the chat loads it: LM Studio has no request that
// doesn't. For a model that LM Studio loaded just in time, each chat restarts the
// time to live.
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	if !req.OnlyLoaded && !req.NoThinking {
		return b.chat.Chat(ctx, req, req.Model)
	}
	began := time.Now()
	list, err := b.listFor(ctx, req.FirstToken)
	if err != nil {
		return nodes.ChatReply{}, err
	}
	if req.FirstToken > 0 { // less the time of the list
		req.FirstToken = max(req.FirstToken-time.Since(began), time.Nanosecond)
	}
	name := req.Model
	m, inst := list.find(req.Model)
	if inst != nil {
		name = inst.id
	} else if req.OnlyLoaded {
		return nodes.ChatReply{}, b.wire.Fail("chat", nodes.NotLoaded, fmt.Sprintf("%q is not in memory", req.Model))
	} else {
		m = list.named(req.Model)
	}
	if effort, ok := effortFor(req, m); ok && !list.readOnly {
		reply, err := b.nativeChat(ctx, req, name, effort)
		if !errors.Is(err, errEffort) {
			return reply, err
		}
		// The server refused it: let the model think.
	}
	return b.chat.Chat(ctx, req, name)
}

// listFor reads the list within the time for the first token.
func (b *Backend) listFor(ctx context.Context, limit time.Duration) (catalogue, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return b.list(ctx, "chat")
}

// effortFor returns the value of "reasoning" that keeps m from thinking. ok is
// false if the native chat can't be used for it.
func effortFor(req nodes.ChatRequest, m *model) (effort string, ok bool) {
	if !req.NoThinking || m == nil || !fitsNative(req) {
		return "", false
	}
	if !m.told {
		return "off", true
	}
	for _, least := range []string{"off", "low"} { // some models have no "off"
		if slices.Contains(m.efforts, least) {
			return least, true
		}
	}
	return "", false
}

// fitsNative reports whether the native chat can express the request.
func fitsNative(req nodes.ChatRequest) bool {
	if req.Seed != nil || req.Temperature != nil && (*req.Temperature < 0 || *req.Temperature > 1) {
		return false
	}
	list := req.Messages
	if len(list) == 2 && list[0].Role == nodes.RoleSystem {
		list = list[1:]
	}
	return len(list) == 1 && list[0].Role == nodes.RoleUser && list[0].Text != ""
}
