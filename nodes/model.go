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
	// Digest identifies the model's file. It is empty if the engine tells none.
	// The same name with another digest is another model.
	Digest string `json:"digest,omitempty"`
}

// Equal reports whether m and o have the same name and settings. Digests are
// compared only if both are known.
func (m Model) Equal(o Model) bool {
	return m.Name == o.Name && len(m.Settings.Diff(o.Settings)) == 0 &&
		(m.Digest == "" || o.Digest == "" || m.Digest == o.Digest)
}

// Settings are load settings by the engine's own names, such as context_length
// or num_ctx. The values are strings, booleans and numbers.
type Settings map[string]any

// Clone returns a copy of s.
func (s Settings) Clone() Settings { return maps.Clone(s) }

// Diff returns the names of the settings that differ between s and o, sorted. A
// setting that one of them lacks differs. Numbers are compared by value, whatever
// their Go type.
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

// Unmet returns the names of the settings in s that have another value in got,
// sorted. Settings that got lacks count as met: engines report only some.
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
	// Size is in bytes. 0 is unknown.
	Size int64
	// Digest identifies the content. "" is unknown.
	Digest string
	// Quantization is the engine's own name of the quantization. "" is unknown.
	Quantization string
}

// Instance is a model in a node's memory.
type Instance struct {
	// ID identifies the instance for [Loader.Unload]. On many engines it is the
	// model's name; on LM Studio the second instance of "key" is "key:2".
	ID string
	// Model is the model's name.
	Model string
	// Digest identifies the file that was loaded. "" is unknown.
	Digest string
	// Settings are the load settings in force, as far as the engine tells them.
	Settings Settings
	// Size and VRAM are the bytes in all and on the GPU. 0 is unknown. A VRAM well
	// below Size means that part of the model runs on the CPU.
	Size, VRAM int64
	// Process identifies the process that runs the instance, among those that came
	// before and after it. "" is unknown.
	Process string
	// Loading is set while the instance is listed and not ready yet.
	Loading bool
	// Sleeping is set while the engine has put the idle instance to sleep. The
	// next request wakes it.
	Sleeping bool
	// Stopping is set while the instance is being unloaded.
	Stopping bool
	// Expires is the time at which the engine will unload the idle instance. The
	// zero time is never, or unknown.
	Expires time.Time
}

// has reports whether a model is on disk.
func (s Snapshot) has(name string) bool {
	return slices.ContainsFunc(s.OnDisk, func(f File) bool { return f.Name == name })
}

// Snapshot is the result of one probe.
type Snapshot struct {
	// Version is the server's version. "" is unknown.
	Version string
	// OnDisk lists the models that can be loaded. Nil means that the engine has
	// no such list, and an empty list that there is no model.
	OnDisk []File
	// Loaded lists the models in memory, in the engine's order.
	Loaded []Instance
	// LoadedUnknown is set if the engine doesn't tell what is loaded, as a plain
	// OpenAI-compatible server. Loaded then lists the models that it offers.
	LoadedUnknown bool
	// ReadOnly is set if this server can't load and unload models, whatever
	// other versions of its engine can.
	ReadOnly bool
	// Latency is the duration of the probe.
	Latency time.Duration
}
