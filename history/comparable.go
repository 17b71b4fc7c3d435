package history

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Comparable reports whether two runs were made under the same conditions: the
// same tasks, node, type and settings. Models may differ. Runs whose tasks
// aren't known are comparable with none.
func Comparable(a, b Run) bool {
	return a.Suite != "" && a.Suite == b.Suite && a.Node == b.Node && a.Type == b.Type && sameConfig(a.Config, b.Config)
}

// sameConfig compares settings by their JSON values, whatever their Go types.
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

func sameValue(a, b any) bool {
	x, okX := toFloat(a)
	y, okY := toFloat(b)
	if okX || okY {
		return okX && okY && x == y
	}
	return reflect.DeepEqual(a, b)
}

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
