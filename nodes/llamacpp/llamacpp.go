// Package llamacpp is the client of llama.cpp's llama-server.
//
// The server has two modes, told apart by GET /props. If it was started with a
// model, it serves that model only, and is read-only. If it was started without
// one, it is a router with a process for each model, which it lists, loads,
// unloads and downloads. A router answers a load before the model is loaded, and
// an unload before the model is gone. [Backend.Load] waits; only the list shows
// the state.
//
// A model that the idle server put to sleep is loaded, see [nodes.Instance]: the
// next chat wakes it. A probe does not, and GET /slots, which does, is not asked of
// it.
package llamacpp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/openaichat"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// LoadKeys returns the names of the load settings, which is none: a router takes
// them from its presets file and command line.
func LoadKeys() []string { return nil }

// Backend is the client of one llama-server. It is safe for concurrent use.
type Backend struct {
	wire *wire.Client
	chat *openaichat.Client

	mu      sync.Mutex
	aliases map[string]string // other names to IDs, from the last list
	own     []string          // IDs of the last list of a server with one model

	revision atomic.Uint64 // of aliases and own
}

var (
	_ nodes.Backend         = (*Backend)(nil)
	_ nodes.Loader          = (*Backend)(nil)
	_ nodes.SettingsChecker = (*Backend)(nil)
	_ nodes.NameKnower      = (*Backend)(nil)
	_ nodes.BusyReporter    = (*Backend)(nil)
	_ nodes.Downloader      = (*Backend)(nil)
	_ nodes.Rescanner       = (*Backend)(nil)
)

// New returns the client of a server. It checks the address and makes no request.
func New(c nodes.Connection) (*Backend, error) {
	w, err := wire.New(c, classify)
	if err != nil {
		return nil, err
	}
	return &Backend{wire: w, chat: openaichat.New(w, "/v1")}, nil
}

// props is the answer to GET /props, as far as it is used.
type props struct {
	Role       string `json:"role"`
	BuildInfo  string `json:"build_info"`
	TotalSlots int    `json:"total_slots"`
	ModelPath  string `json:"model_path"`
	IsSleeping bool   `json:"is_sleeping"`
	Defaults   *struct {
		Context int `json:"n_ctx"`
	} `json:"default_generation_settings"`
}

func (p props) router() bool { return p.Role == "router" }

// model is an entry of GET /models. Only a router's have a status.
type model struct {
	ID      string   `json:"id"`
	Aliases []string `json:"aliases"`
	Status  *status  `json:"status"`
	Meta    *struct {
		Size    int64 `json:"size"`
		Context int   `json:"n_ctx"`
	} `json:"meta"`
}

func (m model) size() int64 {
	if m.Meta == nil {
		return 0
	}
	return m.Meta.Size
}

// The values of a status.
const (
	unloaded    = "unloaded"
	loading     = "loading"
	loaded      = "loaded"
	sleeping    = "sleeping"
	downloading = "downloading"
	downloaded  = "downloaded"
)

// process returns the port of the model's process, which each has of its own.
func (s status) process() string {
	if i := slices.Index(s.Args, "--port"); i >= 0 && i+1 < len(s.Args) && s.Args[i+1] != "0" {
		return s.Args[i+1]
	}
	return ""
}

// runs reports whether the model's process is there and takes requests.
func (s status) runs() bool { return s.Value == loaded || s.Value == sleeping }

type status struct {
	Value    string   `json:"value"`
	Args     []string `json:"args"`
	Failed   bool     `json:"failed"`
	ExitCode int      `json:"exit_code"`
	Progress progress `json:"progress"`
}

// Probe implements [nodes.Backend].
func (b *Backend) Probe(ctx context.Context) (nodes.Snapshot, error) {
	began := time.Now()
	p, err := b.props(ctx, "probe")
	if err != nil {
		return nodes.Snapshot{}, err
	}
	models, err := b.list(ctx, "probe", p.router())
	if err != nil {
		return nodes.Snapshot{}, err
	}
	s := nodes.Snapshot{Version: p.BuildInfo, ReadOnly: !p.router(), OnDisk: []nodes.File{}}
	for _, m := range models {
		inst := nodes.Instance{ID: m.ID, Model: m.ID, Size: m.size()}
		if m.Meta != nil && m.Meta.Context > 0 {
			inst.Settings = nodes.Settings{"ctx_size": m.Meta.Context}
		}
		if !p.router() {
			s.OnDisk = append(s.OnDisk, nodes.File{Name: m.ID, Size: m.size()})
			if p.Defaults != nil && p.Defaults.Context > 0 {
				inst.Settings = nodes.Settings{"ctx_size": p.Defaults.Context}
			}
			inst.Sleeping = p.IsSleeping
			s.Loaded = append(s.Loaded, inst)
			continue
		}
		if m.Status.Value != downloading {
			s.OnDisk = append(s.OnDisk, nodes.File{Name: m.ID, Size: m.size()})
		}
		inst.Process = m.Status.process()
		inst.Loading, inst.Sleeping = m.Status.Value == loading, m.Status.Value == sleeping
		if inst.Loading || m.Status.runs() {
			s.Loaded = append(s.Loaded, inst)
		}
	}
	s.Latency = time.Since(began)
	return s, nil
}

// props returns the server's properties, which show its mode.
func (b *Backend) props(ctx context.Context, action string) (props, error) {
	var p props
	err := b.wire.JSON(ctx, action, http.MethodGet, "/props", nil, &p)
	var e *nodes.Error
	if errors.As(err, &e) && e.Fault == nodes.BadRequest {
		// Every llama-server has this route.
		return p, b.wire.Fail(action, nodes.WrongEngine, "no GET /props, which a llama-server has: "+e.Detail)
	}
	if err != nil {
		return p, err
	}
	if !p.router() && p.BuildInfo == "" && p.Defaults == nil && p.TotalSlots == 0 {
		return p, b.wire.Fail(action, nodes.WrongEngine, "GET /props is not that of a llama-server")
	}
	return p, nil
}

// list returns the models and records their names.
func (b *Backend) list(ctx context.Context, action string, router bool) ([]model, error) {
	if router {
		return b.listAt(ctx, action, "/models", true)
	}
	return b.listAt(ctx, action, "/v1/models", false)
}

func (b *Backend) listAt(ctx context.Context, action, path string, router bool) ([]model, error) {
	var list struct {
		Data *[]model `json:"data"`
	}
	if err := b.wire.JSON(ctx, action, http.MethodGet, path, nil, &list); err != nil {
		return nil, err
	}
	if list.Data == nil {
		return nil, b.wire.Fail(action, nodes.WrongEngine, "GET "+path+" is no list of models")
	}
	aliases := map[string]string{}
	var own []string
	for _, m := range *list.Data {
		if m.ID == "" || router && m.Status == nil {
			return nil, b.wire.Fail(action, nodes.Protocol, "GET "+path+" lists a model without id or status")
		}
		for _, alias := range m.Aliases {
			aliases[alias] = m.ID
		}
		if !router {
			own = append(own, m.ID)
		}
	}
	b.mu.Lock()
	if b.aliases == nil || !maps.Equal(b.aliases, aliases) || !slices.Equal(b.own, own) {
		b.aliases, b.own = aliases, own
		b.revision.Add(1)
	}
	b.mu.Unlock()
	return *list.Data, nil
}

// OwnModels implements [nodes.NameKnower]: a server with one model answers for every
// name, a router does not.
func (b *Backend) OwnModels() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.own
}

// NamesRevision implements [nodes.NameKnower].
func (b *Backend) NamesRevision() uint64 { return b.revision.Load() }

// Canonical implements [nodes.Canonicalizer]. It knows the aliases that the last
// list had.
func (b *Backend) Canonical(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id, ok := b.aliases[name]; ok {
		return id
	}
	return name
}

// find returns the model with that name or alias, or nil.
func (b *Backend) find(models []model, name string) *model {
	name = b.Canonical(name)
	if i := slices.IndexFunc(models, func(m model) bool { return m.ID == name }); i >= 0 {
		return &models[i]
	}
	return nil
}

// classify returns the fault of llama-server's error answers.
func classify(status int, header http.Header, body []byte) *nodes.Error {
	text := strings.ToLower(wire.ErrorText(body))
	raw := strings.ToLower(string(body))
	switch {
	case strings.Contains(raw, "proxy error:"):
		// A router's text for a model whose process died.
		return &nodes.Error{Fault: nodes.Crashed}
	case strings.Contains(text, "unexpected endpoint"):
		return &nodes.Error{Fault: nodes.WrongEngine}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return nil
	case status == http.StatusNotImplemented:
		return &nodes.Error{Fault: nodes.ReadOnly, Remedy: "start the server with what its answer names"}
	case strings.Contains(text, "failed to load"):
		return &nodes.Error{Fault: nodes.LoadFailed, Remedy: "see the server's own log"}
	case strings.Contains(text, "model limit reached"):
		return &nodes.Error{Fault: nodes.Busy}
	case strings.Contains(text, "is not running"), strings.Contains(text, "model is not loaded"):
		return &nodes.Error{Fault: nodes.NotLoaded}
	case strings.Contains(text, "model") && strings.Contains(text, "not found"):
		return &nodes.Error{Fault: nodes.ModelNotFound, Remedy: "put the model into the router's --models-dir, or download it"}
	}
	return openaichat.Classify(status, header, body)
}
