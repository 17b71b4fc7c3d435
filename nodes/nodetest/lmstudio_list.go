package nodetest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// names reports whether a list of names has m.
func (l *LMStudio) names(list []string, m Model) bool {
	return slices.ContainsFunc(list, func(n string) bool { return l.sameName(n, m.Name) })
}

// embeds reports whether m is a model for embeddings alone.
func (l *LMStudio) embeds(c LMStudioSettings, m Model) bool {
	return m.EmbeddingsOnly || l.names(c.Embeddings, m)
}

func (l *LMStudio) maxContext(c LMStudioSettings) int {
	if c.MaxContext > 0 {
		return c.MaxContext
	}
	return 131072
}

// loadConfig returns the settings that an instance runs with: what was asked
// for where the engine of its format takes that, else what the app sets.
func (l *LMStudio) loadConfig(c LMStudioSettings, m Model, asked map[string]any) map[string]any {
	longest := l.maxContext(c)
	switch {
	case l.embeds(c, m):
		return map[string]any{"context_length": 2048}
	case l.names(c.MLX, m):
		return map[string]any{"context_length": longest}
	}
	out := map[string]any{
		"context_length": 4096, "eval_batch_size": 512, "parallel": 4,
		"flash_attention": true, "offload_kv_cache_to_gpu": true,
	}
	if c.DefaultContext > 0 {
		out["context_length"] = c.DefaultContext
	}
	for k, v := range asked {
		out[k] = v
	}
	return out
}

func (l *LMStudio) contextLength(c LMStudioSettings, i *instance) int {
	switch n := l.loadConfig(c, i.model, i.settings)["context_length"].(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 4096
}

// listV1 is GET /api/v1/models: everything on disk, with its instances.
func (l *LMStudio) listV1(c LMStudioSettings) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []map[string]any{}
	for _, m := range l.models {
		var instances []map[string]any
		for _, i := range l.instances {
			if i.model.Name == m.Name && !c.HideInstances {
				instances = append(instances, l.instanceV1(c, i))
			}
		}
		entry := l.entryV1(c, m)
		if !c.DuplicateKeys {
			entry["loaded_instances"] = notNil(instances)
			out = append(out, entry)
			continue
		}
		second := l.entryV1(c, m)
		half := len(instances) / 2
		entry["loaded_instances"], second["loaded_instances"] = notNil(instances[:half]), notNil(instances[half:])
		out = append(out, entry, second)
	}
	return out
}

func notNil(list []map[string]any) []map[string]any {
	if list == nil {
		return []map[string]any{}
	}
	return list
}

func (l *LMStudio) instanceV1(c LMStudioSettings, i *instance) map[string]any {
	config := l.loadConfig(c, i.model, i.settings)
	if c.SparseFields {
		config = map[string]any{"context_length": config["context_length"]}
	}
	out := map[string]any{"id": i.id, "config": config}
	if c.InstanceIDField {
		delete(out, "id")
		out["instance_id"] = i.id
	}
	if !i.expires.IsZero() {
		out["remaining_ttl_seconds"] = time.Until(i.expires).Seconds()
	}
	return out
}

func (l *LMStudio) entryV1(c LMStudioSettings, m Model) map[string]any {
	embedding := l.embeds(c, m)
	publisher, _, _ := strings.Cut(m.Name, "/")
	kind, format := "llm", "gguf"
	if embedding {
		kind = "embedding"
	}
	if l.names(c.MLX, m) {
		format = "mlx"
	}
	if c.SparseFields {
		return map[string]any{
			"type": kind, "key": m.Name, "size_bytes": m.size(), "quantization": nil,
			"params_string": nil, "format": nil, "description": nil, "something_new": map[string]int{"x": 1},
		}
	}
	out := map[string]any{
		"type": kind, "publisher": publisher, "key": m.Name, "display_name": m.Name,
		"quantization": map[string]any{"name": "Q4_K_M", "bits_per_weight": 4},
		"size_bytes":   m.size(), "params_string": "7B", "max_context_length": l.maxContext(c), "format": format,
	}
	if embedding {
		return out
	}
	out["architecture"], out["description"] = "llama", nil
	out["variants"], out["selected_variant"] = []string{m.Name + "@q4_k_m"}, m.Name+"@q4_k_m"
	if !c.NoCapabilities {
		out["capabilities"] = l.capabilities(c, m)
	}
	return out
}

func (l *LMStudio) capabilities(c LMStudioSettings, m Model) map[string]any {
	out := map[string]any{"vision": m.Vision, "trained_for_tool_use": true}
	if m.Thinking != "" {
		out["reasoning"] = map[string]any{"allowed_options": c.efforts(), "default": c.efforts()[len(c.efforts())-1]}
	}
	return out
}

func (c LMStudioSettings) efforts() []string {
	if c.ThinkingEfforts == nil {
		return []string{"off", "on"}
	}
	return c.ThinkingEfforts
}

// listV0 is GET /api/v0/models: with just-in-time loading everything, without
// only what is loaded. A second instance is an entry of its own.
func (l *LMStudio) listV0(c LMStudioSettings) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []map[string]any{}
	for _, i := range l.instances {
		entry := l.entryV0(c, i.id, i.model)
		entry["state"], entry["loaded_context_length"] = "loaded", l.contextLength(c, i)
		out = append(out, entry)
	}
	for _, m := range l.models {
		if c.NoJIT || slices.ContainsFunc(l.instances, func(i *instance) bool { return i.id == m.Name }) {
			continue
		}
		entry := l.entryV0(c, m.Name, m)
		entry["state"] = "not-loaded"
		out = append(out, entry)
	}
	return out
}

func (l *LMStudio) entryV0(c LMStudioSettings, id string, m Model) map[string]any {
	publisher, _, _ := strings.Cut(m.Name, "/")
	kind, format := "llm", "gguf"
	if l.embeds(c, m) {
		kind = "embeddings"
	}
	if l.names(c.MLX, m) {
		format = "mlx"
	}
	return map[string]any{
		"id": id, "object": "model", "type": kind, "publisher": publisher, "arch": "llama",
		"compatibility_type": format, "quantization": "Q4_K_M", "max_context_length": l.maxContext(c),
	}
}

func (l *LMStudio) oneV0(w http.ResponseWriter, c LMStudioSettings, id string) {
	for _, entry := range l.listV0(c) {
		if entry["id"] == id {
			writeJSON(w, http.StatusOK, entry)
			return
		}
	}
	lmError{Type: "model_not_found", Message: "Model " + id + " not found"}.write(w, http.StatusNotFound)
}

// listOpenAI is GET /v1/models: the catalogue with just-in-time loading, else
// what is loaded. It says nothing about health.
func (l *LMStudio) listOpenAI(c LMStudioSettings) []map[string]any {
	out := []map[string]any{}
	for _, entry := range l.listV0(c) {
		out = append(out, map[string]any{"id": entry["id"], "object": "model", "owned_by": "organization_owner"})
	}
	return out
}
