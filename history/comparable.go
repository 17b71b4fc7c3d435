package history

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Comparable reports whether two runs were made under the same conditions: equal
// tasks, node, type and settings. The models may differ. A run of unknown tasks is
// comparable to none.
func Comparable(a, b Run) bool {
	return a.Suite != "" && a.Suite == b.Suite && a.Node == b.Node && a.Type == b.Type && sameConfig(a.Config, b.Config)
}

// sameConfig reports whether settings are equal as JSON, whatever their Go types.
func sameConfig(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		other, ok := b[name]
		if !ok || !sameValue(value, other) {
			return false
		}
	}
	return true
}

// sameValue reports whether two settings are equal. Numbers of different types are
// compared as float64.
func sameValue(a, b any) bool {
	x, okX := toFloat(a)
	y, okY := toFloat(b)
	if okX || okY {
		return okX && okY && x == y
	}
	return reflect.DeepEqual(a, b)
}

// toFloat converts a number of any type that a setting may have.
func toFloat(value any) (float64, bool) {
	var number json.Number
	switch v := value.(type) {
	case json.Number:
		number = v
	case int, int64, int32, uint64, float64, float32:
		number = json.Number(fmt.Sprint(v))
	default:
		return 0, false
	}
	figure, err := number.Float64()
	return figure, err == nil
}
