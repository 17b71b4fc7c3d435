package lmstudio

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/turbone/jarvis/nodes"
)

// kind is the type of a load setting.
type kind string

const (
	count kind = "a whole number from 1"
	yesNo kind = "true or false"
)

// loadSettings returns the settings of a load. "parallel" is not documented, and
// servers without it refuse the load, see refusedSetting.
func loadSettings() map[string]kind {
	return map[string]kind{
		"context_length":          count,
		"eval_batch_size":         count,
		"flash_attention":         yesNo,
		"num_experts":             count,
		"offload_kv_cache_to_gpu": yesNo,
		"parallel":                count,
	}
}

// LoadKeys returns the names of the load settings, sorted.
func LoadKeys() []string {
	return slices.Sorted(maps.Keys(loadSettings()))
}

// CheckSettings implements [nodes.SettingsChecker]. It checks names and values.
func (b *Backend) CheckSettings(s nodes.Settings) error {
	_, err := b.loadRequest(nodes.Model{Settings: s})
	return err
}

// loadRequest checks a model's settings and returns the body of its load.
func (b *Backend) loadRequest(m nodes.Model) (map[string]any, error) {
	known := loadSettings()
	request := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(m.Settings)) {
		v := m.Settings[k]
		want, ok := known[k]
		if !ok {
			return nil, b.failed("load", nodes.BadRequest, fmt.Sprintf("LM Studio has no load setting %q", k),
				"use "+strings.Join(LoadKeys(), ", "))
		}
		value, ok := want.read(v)
		if !ok {
			return nil, b.failed("load", nodes.BadRequest, fmt.Sprintf("the load setting %s is %v", k, v), "make it "+string(want))
		}
		request[k] = value
	}
	request["model"], request["echo_load_config"] = m.Name, true
	return request, nil
}

// read converts a value to the type that the API's strict schema requires. The
// value may come from a file, a flag or another server's answer.
func (k kind) read(v any) (any, bool) {
	text := fmt.Sprint(v)
	if k == yesNo {
		yes, err := strconv.ParseBool(text)
		_, isNumber := v.(int)
		return yes, err == nil && !isNumber
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 1 || f != math.Trunc(f) || f > math.MaxInt32 {
		return nil, false
	}
	return int64(f), true
}

// refusedSetting adds the remedy to the error of a load setting that this version
// of LM Studio lacks.
func refusedSetting(err error) error {
	var e *nodes.Error
	if errors.As(err, &e) && e.Fault == nodes.BadRequest && strings.Contains(strings.ToLower(e.Detail), "unrecognized key") {
		e.Remedy = "take the setting out of the node's load settings: this version of LM Studio does not know it"
	}
	return err
}
