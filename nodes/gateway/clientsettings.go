package gateway

import (
	"strings"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// HeaderDropped is a header of a response: the fields of the request that were
// not sent to the node, see KeepClientSettings of the [Options].
const HeaderDropped = "X-Jarvis-Dropped"

// reloading are the options of Ollama's APIs that belong to the loaded model: with
// another value than the last request's, the engine loads the model again.
var reloading = map[string]bool{
	"num_ctx": true, "num_batch": true, "num_gpu": true, "main_gpu": true, "num_thread": true, "use_mmap": true,
	"use_mlock": true, "low_vram": true, "f16_kv": true, "numa": true, "vocab_only": true,
}

// reloadingOptions returns those of options that would reload the model.
func reloadingOptions(options []byte) (names []string) {
	_ = scan.Object(options, func(name, _ []byte) bool {
		if reloading[string(name)] {
			names = append(names, "options."+string(name))
		}
		return true
	})
	return names
}

// withoutReloading returns a request of Ollama's APIs without what would reload its
// model or change when it is unloaded. Without keep_alive, the engine leaves that
// as it is.
func withoutReloading(body []byte) []byte {
	var out []byte
	from := 0
	replace := func(value []byte, by string) {
		at := scan.Offset(body, value)
		out = append(append(out, body[from:at]...), by...)
		from = at + len(value)
	}
	_ = scan.Object(body, func(key, value []byte) bool {
		switch string(key) {
		case "keep_alive":
			replace(value, "null")
		case "options":
			var kept []string
			if scan.Object(value, func(name, value []byte) bool {
				if !reloading[string(name)] {
					kept = append(kept, string(scan.AppendString(nil, string(name)))+":"+string(value))
				}
				return true
			}) == nil {
				replace(value, "{"+strings.Join(kept, ",")+"}")
			}
		}
		return true
	})
	return append(out, body[from:]...)
}
