package nodes

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Model is a model with the settings it is loaded with.
type Model struct {
	// Name is the engine's identifier: "qwen/qwen3-30b-a3b-2507", "llama3:8b".
	Name string `json:"model"`
	// Settings are the engine's load settings; nil means its defaults.
	Settings Settings `json:"load,omitempty"`
	// Digest identifies the file where the engine tells it, else empty. Two
	// models with one name and two digests are two models.
	Digest string `json:"digest,omitempty"`
}

// Equal reports whether both have the same name and settings. Digests are
// compared only where both are known.
func (m Model) Equal(o Model) bool {
	return m.Name == o.Name && len(m.Settings.Diff(o.Settings)) == 0 &&
		(m.Digest == "" || o.Digest == "" || m.Digest == o.Digest)
}

// Settings are load settings by the engine's own names: context_length,
// flash_attention, num_ctx, … Values are strings, booleans and numbers.
type Settings map[string]any

// Clone returns a copy that shares nothing with s.
func (s Settings) Clone() Settings { return maps.Clone(s) }

// Diff returns the names, sorted, whose values differ between s and o. A name
// that one of them lacks differs. Numbers compare by value whatever their Go
// type.
func (s Settings) Diff(o Settings) []string {
	var names []string
	for k, v := range s {
		if w, ok := o[k]; !ok || !sameValue(v, w) {
			names = append(names, k)
		}
	}
	for k := range o {
		if _, ok := s[k]; !ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// Unmet returns the names, sorted, of the settings in s that have another
// value in got. Settings that got doesn't tell are taken as met: engines
// report only some.
func (s Settings) Unmet(got Settings) []string {
	var names []string
	for k, v := range s {
		if w, ok := got[k]; ok && !sameValue(v, w) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

func sameValue(a, b any) bool {
	x, okA := number(a)
	y, okB := number(b)
	if okA && okB {
		return x == y
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float64:
		return n, true
	case float32:
		return float64(n), true
	case interface{ Float64() (float64, error) }: // json.Number
		f, err := n.Float64()
		return f, err == nil
	case string:
		f, err := strconv.ParseFloat(n, 64)
		return f, err == nil
	}
	return 0, false
}

// File is a model on a node's disk.
type File struct {
	// Name is the engine's identifier.
	Name string
	// Size is in bytes, 0 where unknown.
	Size int64
	// Digest identifies the content, "" where unknown.
	Digest string
	// Quantization is the engine's own name for it, "" where unknown.
	Quantization string
}

// Instance is a model in a node's memory.
type Instance struct {
	// ID is what unload wants. On many engines the model's name; on LM Studio
	// a second instance of "key" is "key:2".
	ID string
	// Model is the name of the model it is an instance of.
	Model string
	// Digest identifies the file it was loaded from, "" where unknown.
	Digest string
	// Settings are the settings it runs with, as far as the engine tells.
	Settings Settings
	// Size and VRAM are bytes in all and on the GPU, 0 where unknown. VRAM
	// well below Size means that part of the model runs on the CPU.
	Size, VRAM int64
	// Loading: named by the engine, and not ready yet.
	Loading bool
	// Stopping: unloading, and not gone yet.
	Stopping bool
	// Expires is when the engine will unload it for idleness; zero: never, or
	// unknown.
	Expires time.Time
}

// Snapshot is what one probe saw.
type Snapshot struct {
	// Version is the server's, "" where it doesn't tell.
	Version string
	// OnDisk lists what could be loaded. Nil means that the engine doesn't
	// tell, empty that there is nothing.
	OnDisk []File
	// Loaded lists what is in memory, in the engine's order.
	Loaded []Instance
	// LoadedUnknown: the engine doesn't tell what is loaded (a plain
	// OpenAI-compatible server); Loaded then holds what it offers.
	LoadedUnknown bool
	// ReadOnly: this server has no load and no unload, whatever its engine's
	// other versions have.
	ReadOnly bool
	// Latency is how long the probe took.
	Latency time.Duration
}
