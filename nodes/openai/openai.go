// Package openai is the backend for any server that speaks the OpenAI chat
// protocol and nothing that is known beyond it: vLLM, SGLang, a gateway.
//
// Only the list of models and a chat are safe to assume of such a server. What
// is in its memory it doesn't tell, and it has no load: it can be watched,
// asked, drained, routed around, and restarted by a command.
package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/openaichat"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// LoadKeys names the load settings that the engine accepts: none, since it has
// no load.
func LoadKeys() []string { return nil }

// Backend is one server. Safe for concurrent use.
type Backend struct {
	wire *wire.Client
	chat *openaichat.Client
}

var _ nodes.Backend = (*Backend)(nil)

// New checks the configuration. It asks the server nothing.
func New(c nodes.Connection) (*Backend, error) {
	c.URL = strings.TrimSuffix(strings.TrimRight(c.URL, "/"), "/v1")
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{wire: w, chat: openaichat.New(w, "/v1")}, nil
}

func classify(status int, header http.Header, body []byte) *nodes.Error {
	e := openaichat.Classify(status, header, body)
	if e != nil && e.Fault == nodes.ModelNotFound {
		e.Remedy = "name a model that GET /v1/models lists, or start the server with this one"
	}
	return e
}

type model struct {
	ID string `json:"id"`
}

// Probe lists what the server offers. What of it is in memory is not known:
// LoadedUnknown is set. An answer of another shape is [nodes.WrongEngine].
func (b *Backend) Probe(ctx context.Context) (nodes.Snapshot, error) {
	began := time.Now()
	var list struct {
		Object string          `json:"object"`
		Data   json.RawMessage `json:"data"`
	}
	if err := b.wire.JSON(ctx, "probe", http.MethodGet, "/v1/models", nil, &list); err != nil {
		return nodes.Snapshot{}, err
	}
	var models []model
	// "data":null is an empty list to servers written in Go.
	if list.Data == nil && list.Object != "list" || list.Data != nil && json.Unmarshal(list.Data, &models) != nil {
		return nodes.Snapshot{}, b.wire.Fail("probe", nodes.WrongEngine, "GET /v1/models is no list of models")
	}
	s := nodes.Snapshot{LoadedUnknown: true, ReadOnly: true, Latency: time.Since(began)}
	for _, m := range models {
		if m.ID == "" {
			return nodes.Snapshot{}, b.wire.Fail("probe", nodes.WrongEngine, "GET /v1/models lists a model without an id")
		}
		s.Loaded = append(s.Loaded, nodes.Instance{ID: m.ID, Model: m.ID})
	}
	return s, nil
}

// Chat asks one question. OnlyLoaded can't be kept, since the server doesn't
// tell what is loaded: every model is asked. NoThinking is asked for in the
// way of vLLM's and SGLang's chat templates.
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	chat := b.chat
	if req.NoThinking {
		chat = chat.With(map[string]any{"chat_template_kwargs": map[string]bool{"enable_thinking": false}})
	}
	return chat.Chat(ctx, req, req.Model)
}
