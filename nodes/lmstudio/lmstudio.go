// Package lmstudio speaks to LM Studio: 0.4 and newer by its REST API v1, 0.3
// by v0, which lists and cannot load.
//
// What shapes the client, because LM Studio does it otherwise than one would
// think:
//
//   - An unknown route is a 200 with an error string: every answer is judged
//     by its body's shape.
//   - The OpenAI list shows the catalogue, not what is loaded: the native list
//     is read instead.
//   - A load of what is loaded makes a second instance, "key:2": callers go
//     through [nodes.Node.Ensure], which lists first.
//   - A chat loads what it names, and a name that it doesn't know is answered
//     by whatever is loaded: a request with OnlyLoaded lists first, and asks
//     the instance by its id.
//   - The server answers lists while the model's process hangs or is dead:
//     only a chat tells.
//
// # Embedding models
//
// They are left out of a snapshot altogether, on disk and in memory. A node
// serves one chat model; an embedding model beside it is somebody's index, and
// [nodes.Node.Ensure] would unload it to make room.
//
// # Thinking
//
// Questions go over the OpenAI protocol, which knows every role and a seed.
// The native chat is used for the one thing that only it can do: ask a model
// that thinks to answer straight away. It is taken where the request wants
// that, the model's listed capabilities allow it (or are not told), and the
// request fits: one question, a system prompt at most, no seed, a temperature
// up to 1. The server stores nothing of it. Elsewhere the model thinks, and
// the reply has both parts.
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

// Backend is one LM Studio server. Safe for concurrent use.
type Backend struct {
	wire *wire.Client
	chat *openaichat.Client
	// pollDownload is how often a download is looked at.
	pollDownload time.Duration
}

var (
	_ nodes.Backend         = (*Backend)(nil)
	_ nodes.Loader          = (*Backend)(nil)
	_ nodes.SettingsChecker = (*Backend)(nil)
	_ nodes.Canonicalizer   = (*Backend)(nil)
	_ nodes.Downloader      = (*Backend)(nil)
)

// New checks the address and returns the backend. It asks nothing yet.
func New(c nodes.Connection) (*Backend, error) {
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{wire: w, chat: openaichat.New(w, "/v1"), pollDownload: time.Second}, nil
}

// Canonical returns the key in lower case: LM Studio takes any spelling.
func (b *Backend) Canonical(model string) string { return strings.ToLower(model) }

// Probe implements [nodes.Backend]. A server before 0.4 is [nodes.Snapshot]'s
// ReadOnly. LM Studio tells its version nowhere.
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

// list reads what is on disk and in memory, by v1 or else by v0.
func (b *Backend) list(ctx context.Context, action string) (catalogue, error) {
	list, err := b.listV1(ctx, action)
	switch {
	case errors.Is(err, errNoRoute):
		return b.listV0(ctx, action, err)
	case err != nil, list.anyLoaded():
		return list, err
	}
	// Some builds list no instance here while v0 knows better. Taken at their
	// word, each repair would load one more.
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

// Load implements [nodes.Loader]. The settings are checked against [LoadKeys]
// before anything is asked. LM Studio loads MLX models with their own longest
// context whatever context_length says; the instance tells what it runs with.
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

// Unload implements [nodes.Loader]. It returns when the instance is gone.
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

// post calls a verb that servers before 0.4 don't have.
func (b *Backend) post(ctx context.Context, action, path string, in, out any) error {
	err := b.wire.JSON(ctx, action, http.MethodPost, path, in, out)
	if errors.Is(err, errNoRoute) {
		return b.failed(action, nodes.ReadOnly, "this server has no "+path, "update LM Studio to 0.4 or newer")
	}
	return err
}
