package ollama

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/turbone/jarvis/nodes"
)

// optionKind is the type of an option.
type optionKind string

const (
	wholeNumber optionKind = "a whole number"
	trueOrFalse optionKind = "true or false"
)

const numCtx = "num_ctx"

// runnerOptions are the options of a loaded model. A request with another value
// of one of them reloads the model.
var runnerOptions = map[string]optionKind{
	numCtx:              wholeNumber,
	"num_batch":         wholeNumber,
	"num_gpu":           wholeNumber,
	"main_gpu":          wholeNumber,
	"num_thread":        wholeNumber,
	"draft_num_predict": wholeNumber,
	"use_mmap":          trueOrFalse,
}

// LoadKeys returns the names of the load settings, sorted.
func LoadKeys() []string { return slices.Sorted(maps.Keys(runnerOptions)) }

// CheckSettings implements [nodes.SettingsChecker].
func (b *Backend) CheckSettings(s nodes.Settings) error {
	_, err := b.options(actionLoad, s)
	return err
}

// options returns load settings as runner options. An unknown name is an error;
// the server would only log it.
func (b *Backend) options(action string, settings nodes.Settings) (map[string]any, error) {
	out := make(map[string]any, len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		kind, known := runnerOptions[name]
		if !known {
			e := b.wire.Fail(action, nodes.BadRequest, fmt.Sprintf("unknown load setting %q", name))
			e.Remedy = "Ollama knows " + strings.Join(LoadKeys(), ", ")
			return nil, e
		}
		value, ok := convert(kind, settings[name])
		if !ok {
			e := b.wire.Fail(action, nodes.BadRequest, fmt.Sprintf("load setting %s: %v", name, settings[name]))
			e.Remedy = "give " + string(kind)
			return nil, e
		}
		out[name] = value
	}
	return out, nil
}

// convert converts a value, which may come from a configuration or a decoder, to
// the type that the server takes.
func convert(kind optionKind, value any) (any, bool) {
	v := reflect.ValueOf(value)
	switch {
	case kind == trueOrFalse:
		return value, v.Kind() == reflect.Bool
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), v.Uint() <= math.MaxInt64
	case v.CanFloat():
		f := v.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
	}
	if number, ok := value.(json.Number); ok {
		n, err := strconv.ParseInt(number.String(), 10, 64)
		return n, err == nil
	}
	return nil, false
}
