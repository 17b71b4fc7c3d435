package lmstudio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Chat implements [nodes.Backend]. See the package's comment on thinking.
//
// OnlyLoaded lists first and asks the instance by its id. A model that leaves
// between the two is loaded by the chat; LM Studio has no request that could
// not. A model that LM Studio loaded just in time counts any chat as use, and
// stays for its TTL from then.
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	if !req.OnlyLoaded && !req.NoThinking {
		return b.chat.Chat(ctx, req, req.Model)
	}
	began := time.Now()
	list, err := b.listFor(ctx, req.FirstToken)
	if err != nil {
		return nodes.ChatReply{}, err
	}
	if req.FirstToken > 0 { // the list has had its share
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
		// It cannot be asked that after all.
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

// effortFor returns the value of "reasoning" that makes m answer straight away,
// and whether the native chat is to be taken for it.
func effortFor(req nodes.ChatRequest, m *model) (string, bool) {
	if !req.NoThinking || m == nil || !fitsNative(req) {
		return "", false
	}
	if !m.told {
		return "off", true
	}
	for _, effort := range []string{"off", "low"} { // some think a little at the least
		if slices.Contains(m.efforts, effort) {
			return effort, true
		}
	}
	return "", false
}

// fitsNative reports whether the native chat can say what the request says.
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
