// Package lmstudio is the client of LM Studio: of 0.4 and newer by its REST API
// v1, and of 0.3 by v0, which lists models and can't load them.
//
// LM Studio has some properties that shape the client:
//
//   - It answers an unknown route with status 200 and an error text. So every
//     answer is judged by the shape of its body.
//   - Its OpenAI list shows the catalogue, not the loaded models. So the native
//     list is read.
//   - A load of a loaded model makes a second instance, "key:2". So callers use
//     [nodes.Node.Ensure], which lists first.
//   - A chat loads the model that it names, and if the name is unknown, any
//     loaded model answers. So a request with OnlyLoaded lists first, and asks
//     the instance by its ID.
//   - It answers lists while the model's process hangs or is dead. So only a
//     chat shows whether the model answers.
//
// # Embedding models
//
// A snapshot has no embedding models, neither on disk nor in memory. A node
// serves one chat model, and [nodes.Node.Ensure] would unload an embedding model
// that another program needs.
//
// # Thinking
//
// Questions are asked over the OpenAI protocol, which has every role and a seed.
// The native chat is used for its one feature: asking a reasoning model not to
// think. It is used if the request has NoThinking, the model's capabilities allow
// it or are not listed, and the request fits: one question, at most one system
// prompt, no seed, a temperature up to 1. The server does not store such a chat.
// Otherwise the model thinks, and the reply has both parts.
package lmstudio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/openaichat"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Backend is the client of one LM Studio server. It is safe for concurrent use.
type Backend struct {
	wire *wire.Client
	chat *openaichat.Client
	// pollDownload is the interval at which a download's status is read.
	pollDownload time.Duration
}

var (
	_ nodes.Backend         = (*Backend)(nil)
	_ nodes.Loader          = (*Backend)(nil)
	_ nodes.SettingsChecker = (*Backend)(nil)
	_ nodes.Canonicalizer   = (*Backend)(nil)
	_ nodes.Downloader      = (*Backend)(nil)
)

// New returns the client of a server. It checks the address and makes no request.
func New(c nodes.Connection) (*Backend, error) {
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{wire: w, chat: openaichat.New(w, "/v1"), pollDownload: time.Second}, nil
}

// Canonical implements [nodes.Canonicalizer]. It returns the key in lower case:
// LM Studio ignores case.
func (b *Backend) Canonical(model string) string { return strings.ToLower(model) }

// Probe implements [nodes.Backend]. The snapshot of a server before 0.4 is
// ReadOnly. It has no version, since LM Studio does not tell one.
func (b *Backend) Probe(ctx context.Context) (nodes.Snapshot, error) {
	began := time.Now()
	list, err := b.list(ctx, "probe")
	if err != nil {
		return nodes.Snapshot{}, err
	}
	s := list.snapshot(time.Now())
	s.Latency = time.Since(began)
	return s, nil
}

// list returns the models on disk and in memory, by v1 or else by v0.
func (b *Backend) list(ctx context.Context, action string) (catalogue, error) {
	list, err := b.listV1(ctx, action)
	switch {
	case errors.Is(err, errNoRoute):
		return b.listV0(ctx, action, err)
	case err != nil, list.anyLoaded():
		return list, err
	}
	// Some builds list instances only in v0. Without them, each repair would
	// load one more.
	old, err := b.listV0(ctx, action, nil)
	switch {
	case err == nil:
		list.adopt(old)
	case errors.Is(err, nodes.WrongEngine), errors.Is(err, nodes.Protocol):
		// No v0 here; v1's word stands.
	default:
		return catalogue{}, err
	}
	return list, nil
}

func (b *Backend) listV1(ctx context.Context, action string) (catalogue, error) {
	body, err := b.wire.Bytes(ctx, action, http.MethodGet, "/api/v1/models", nil)
	if err != nil {
		return catalogue{}, err
	}
	list, fault, detail := parseV1(body)
	if fault != "" {
		return catalogue{}, b.misfit(action, body, fault, detail)
	}
	return list, nil
}

// listV0 reads the list of servers before 0.4. newer is why v1 gave none.
func (b *Backend) listV0(ctx context.Context, action string, newer error) (catalogue, error) {
	body, err := b.wire.Bytes(ctx, action, http.MethodGet, "/api/v0/models", nil)
	if err == nil {
		list, fault, detail := parseV0(body)
		if fault == "" {
			return list, nil
		}
		err = b.misfit(action, body, fault, detail)
	}
	var e *nodes.Error
	if !errors.Is(err, errNoRoute) || !errors.As(err, &e) {
		return catalogue{}, err
	}
	if isLMStudio(newer) || isLMStudio(err) {
		return catalogue{}, b.failed(action, nodes.Protocol, "LM Studio, and no list of its models at this address",
			"the url ends with the port, without a path; LM Studio must be 0.3.6 or newer")
	}
	return catalogue{}, b.wire.Fail(action, nodes.WrongEngine, "no list of models as LM Studio has it: "+e.Detail)
}

// misfit is the error of a 200 whose body is no list.
func (b *Backend) misfit(action string, body []byte, fault nodes.Fault, detail string) error {
	if wire.ErrorText(body) != "" {
		return b.wire.Status(action, http.StatusOK, nil, body)
	}
	return b.wire.Fail(action, fault, detail)
}

func (b *Backend) failed(action string, fault nodes.Fault, detail, remedy string) error {
	e := b.wire.Fail(action, fault, detail)
	e.Remedy = remedy
	return e
}

// Load implements [nodes.Loader]. It checks the settings as CheckSettings does
// before it makes a request. LM Studio loads MLX models with their own longest
// context whatever context_length is; the instance has the context in force.
func (b *Backend) Load(ctx context.Context, m nodes.Model) (nodes.Instance, error) {
	request, err := b.loadRequest(m)
	if err != nil {
		return nodes.Instance{}, err
	}
	var out struct {
		InstanceID string          `json:"instance_id"`
		Status     string          `json:"status"`
		LoadConfig json.RawMessage `json:"load_config"`
	}
	if err := b.post(ctx, "load", "/api/v1/models/load", request, &out); err != nil {
		return nodes.Instance{}, refusedSetting(err)
	}
	if out.InstanceID == "" || out.Status != "" && out.Status != "loaded" {
		return nodes.Instance{}, b.wire.Fail("load", nodes.Protocol,
			fmt.Sprintf("the answer to a load has the status %q and the instance %q", out.Status, out.InstanceID))
	}
	return nodes.Instance{ID: out.InstanceID, Model: m.Name, Settings: scalars(read[map[string]any](out.LoadConfig))}, nil
}

// Unload implements [nodes.Loader]. It blocks until the instance is gone.
func (b *Backend) Unload(ctx context.Context, instance string) error {
	var out struct {
		InstanceID string `json:"instance_id"`
	}
	err := b.post(ctx, "unload", "/api/v1/models/unload", map[string]string{"instance_id": instance}, &out)
	if errors.Is(err, nodes.NotLoaded) || errors.Is(err, nodes.ModelNotFound) {
		return nil
	}
	return err
}

// post calls an endpoint that servers before 0.4 don't have.
func (b *Backend) post(ctx context.Context, action, path string, in, out any) error {
	err := b.wire.JSON(ctx, action, http.MethodPost, path, in, out)
	if errors.Is(err, errNoRoute) {
		return b.failed(action, nodes.ReadOnly, "this server has no "+path, "update LM Studio to 0.4 or newer")
	}
	return err
}
