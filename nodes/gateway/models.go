package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/route"
)

// serveList returns the response to a request that is not for a model: the lists
// of models of OpenAI's and Ollama's protocols. They hold the roles and the
// models of all serving nodes.
func (f *forwarder) serveList(req *http.Request) *response {
	path := strings.TrimSuffix(req.URL.Path, "/")
	get := req.Method == http.MethodGet || req.Method == http.MethodHead
	switch {
	case registry.Lookup(path) != nil && req.Method != http.MethodPost:
		return errorResponse(http.StatusMethodNotAllowed, path, path+" takes POST requests")
	case !get && isList(path):
		return errorResponse(http.StatusMethodNotAllowed, path, path+" takes GET requests")
	case !get:
	case path == "/v1/models":
		return jsonResponse(map[string]any{"object": "list", "data": openAIModels(f.listModels(req.Context()))})
	case strings.HasPrefix(path, "/v1/models/"):
		name := strings.TrimPrefix(path, "/v1/models/")
		l := f.listModels(req.Context())
		for i, m := range openAIModels(l) {
			if at := i - len(l.roles); m["id"] == name || at >= 0 && l.entries[at].node.Same(name, l.entries[at].file.Name) {
				return jsonResponse(m)
			}
		}
		return errorResponse(http.StatusNotFound, path, fmt.Sprintf("no node has a model %q", name))
	case path == "/api/tags":
		return jsonResponse(map[string]any{"models": ollamaTags(f.listModels(req.Context()))})
	case path == "/api/ps":
		return jsonResponse(map[string]any{"models": ollamaLoaded(f.listModels(req.Context()))})
	case path == "/api/version":
		return jsonResponse(map[string]any{"version": f.ollamaVersion(req.Context())})
	case path == "":
		return &response{status: http.StatusOK, header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte("Ollama is running")}
	}
	return errorResponse(http.StatusNotFound, path, "unknown API: "+path)
}

// isList reports whether serveList has a list at a path.
func isList(path string) bool {
	switch path {
	case "", "/v1/models", "/api/tags", "/api/ps", "/api/version":
		return true
	}
	return strings.HasPrefix(path, "/v1/models/")
}

// errorResponse returns an error response in the protocol of a path.
func errorResponse(status int, path, text string) *response {
	body := registry.ErrorsFor(path).Error(status, text)
	return &response{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body}
}

// badRequestResponse is the response to a malformed request.
func badRequestResponse(a *request, err error) *response {
	status := http.StatusBadRequest
	if b, ok := err.(badRequest); ok {
		status = b.status
	}
	return &response{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: a.Errors.Error(status, err.Error())}
}

// jsonResponse returns v as a response of status 200.
func jsonResponse(v any) *response {
	body, err := json.Marshal(v)
	if err != nil {
		return errorResponse(http.StatusInternalServerError, "", err.Error())
	}
	return &response{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: body}
}

// modelList is the models of all serving nodes.
type modelList struct {
	roles   []string
	entries []modelEntry
	version string // of the first Ollama
}

type modelEntry struct {
	node   *nodes.Node
	file   nodes.File
	loaded *nodes.Instance
}

// modelListTTL is how long a list is reused. Clients ask for it often, and each
// new list costs a probe of every node.
const modelListTTL = 2 * time.Second

// listModels probes the serving nodes for their models. A node whose probe fails
// is left out.
func (f *forwarder) listModels(ctx context.Context) modelList {
	f.listMu.Lock()
	defer f.listMu.Unlock()
	if time.Since(f.modelsAt) < modelListTTL {
		return f.models
	}
	var mu sync.Mutex
	found := make([][]modelEntry, len(f.upstreams))
	var l modelList
	p := pool.New().WithMaxGoroutines(16)
	for i, n := range f.table.Nodes() {
		if !f.table.Serves(n.Name) {
			continue
		}
		p.Go(func() {
			s, err := n.Probe(ctx)
			if err != nil {
				return // the healer probes it, too, and reports the error
			}
			mu.Lock()
			defer mu.Unlock()
			if n.Engine == "ollama" && l.version == "" {
				l.version = s.Version
			}
			found[i] = entriesOf(n, s)
		})
	}
	p.Wait()
	seen := map[string]bool{}
	for _, list := range found {
		for _, e := range list {
			if !seen[e.file.Name] {
				seen[e.file.Name] = true
				l.entries = append(l.entries, e)
			}
		}
	}
	l.roles = []string{route.Auto}
	for role := range f.options.Roles {
		l.roles = append(l.roles, role)
	}
	slices.Sort(l.roles[1:])
	if ctx.Err() == nil {
		f.models, f.modelsAt = l, time.Now()
	}
	return l
}

// entriesOf returns the entries of one node: its loaded models, then those on
// disk.
func entriesOf(n *nodes.Node, s nodes.Snapshot) []modelEntry {
	var list []modelEntry
	for i := range s.Loaded {
		inst := &s.Loaded[i]
		list = append(list, modelEntry{node: n, file: nodes.File{Name: inst.Model, Digest: inst.Digest, Size: inst.Size}, loaded: inst})
	}
	for _, file := range s.OnDisk {
		if at := slices.IndexFunc(list, func(e modelEntry) bool { return e.file.Name == file.Name }); at >= 0 {
			list[at].file = file
			continue
		}
		list = append(list, modelEntry{node: n, file: file})
	}
	return list
}

// openAIModels returns the data of /v1/models.
func openAIModels(l modelList) []map[string]any {
	list := []map[string]any{}
	for _, role := range l.roles {
		list = append(list, map[string]any{"id": role, "object": "model", "created": 0, "owned_by": "jarvis"})
	}
	for _, e := range l.entries {
		list = append(list, map[string]any{"id": e.file.Name, "object": "model", "created": 0, "owned_by": e.node.Name})
	}
	return list
}

// modelDetails are the details of a model that Ollama's clients require.
var modelDetails = map[string]any{"parent_model": "", "format": "gguf", "family": "", "families": []string{}, "parameter_size": "", "quantization_level": ""}

// unknownDate stands for a date that is not known.
const unknownDate = "1970-01-01T00:00:00Z"

// ollamaTags returns the models of /api/tags.
func ollamaTags(l modelList) []map[string]any {
	list := []map[string]any{}
	add := func(name, digest string, size int64) {
		list = append(list, map[string]any{"name": name, "model": name, "modified_at": unknownDate, "size": size, "digest": digest, "details": modelDetails})
	}
	for _, role := range l.roles {
		add(role, "", 0)
	}
	for _, e := range l.entries {
		add(e.file.Name, e.file.Digest, e.file.Size)
	}
	return list
}

// ollamaLoaded returns the models of /api/ps.
func ollamaLoaded(l modelList) []map[string]any {
	list := []map[string]any{}
	for _, e := range l.entries {
		if e.loaded == nil {
			continue
		}
		list = append(list, map[string]any{
			"name": e.file.Name, "model": e.file.Name, "size": e.loaded.Size, "size_vram": e.loaded.VRAM, "digest": e.loaded.Digest,
			"details": modelDetails, "expires_at": "2318-01-01T00:00:00Z",
		})
	}
	return list
}

// noNodeHasAPI reports whether no node has the API of the request, while a
// serving node can answer for its model by chat.
func (c *exchange) noNodeHasAPI() bool {
	chats := c.forwarder.plan(&request{API: registry.Lookup(c.About), model: c.model})
	for i := range chats.Fits {
		if c.plan.Fits[i] != route.Unfit {
			return false
		}
		if chats.Fits[i] != route.Unfit && c.forwarder.table.Serves(c.forwarder.upstreams[i].node.Name) {
			return true
		}
	}
	return false
}

// showResponse is the response of /api/show for a model of another engine. The
// ollama command requests it before it chats.
func showResponse(name string) *response {
	return jsonResponse(map[string]any{
		"modelfile": "", "parameters": "", "template": "{{ .Prompt }}", "license": "", "modified_at": unknownDate, "details": modelDetails,
		"model_info": map[string]any{"general.architecture": "", "general.basename": name}, "capabilities": []string{"completion", "tools"},
	})
}

// fallbackOllamaVersion is a version whose clients work with this gateway.
const fallbackOllamaVersion = "0.17.4"

// ollamaVersion returns the version of the first serving Ollama. Clients derive
// from it what they can request.
func (f *forwarder) ollamaVersion(ctx context.Context) string {
	if v := f.listModels(ctx).version; v != "" {
		return v
	}
	return fallbackOllamaVersion
}
