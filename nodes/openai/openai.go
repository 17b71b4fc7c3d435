// Package openai is the client of servers that speak the OpenAI chat protocol and
// have no engine of their own here, such as vLLM, SGLang or a gateway.
//
// Such a server has a list of models and a chat. It doesn't tell what is in its
// memory, and can't load a model. The healer can probe it, ask it, take it out of
// the route, and restart it by a command.
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

// LoadKeys returns the names of the load settings, which is none.
func LoadKeys() []string { return nil }

// Backend is the client of one server. It is safe for concurrent use.
type Backend struct {
	wire *wire.Client
	chat *openaichat.Client
}

var _ nodes.Backend = (*Backend)(nil)

// New returns the client of a server, whose URL may end with "/v1". It checks the
// address and makes no request.
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

// Probe implements [nodes.Backend]. The snapshot lists the models that the server
// offers, with LoadedUnknown set. An answer of another shape is
// [nodes.WrongEngine].
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
	// Servers written in Go send "data":null for an empty list.
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

// Chat implements [nodes.Backend]. It ignores OnlyLoaded, since the server doesn't
// tell what is loaded. It asks for NoThinking by the fields that the chat
// templates of vLLM and SGLang read.
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	chat := b.chat
	if req.NoThinking {
		chat = chat.With(map[string]any{"chat_template_kwargs": map[string]bool{"enable_thinking": false}})
	}
	return chat.Chat(ctx, req, req.Model)
}
