package openai

import (
	"context"
	"strings"

	"github.com/turbone/jarvis/nodes/internal/identify"
)

// IdentifySwap reports whether s is a llama-swap. Ask it before Ollama, whose
// path for the version llama-swap has as well.
func IdentifySwap(ctx context.Context, s *identify.Server) (identify.Match, bool) {
	if !identify.IsList(s.Object(ctx, "/running")["running"]) {
		return identify.Match{}, false
	}
	version := identify.Text(s.Object(ctx, "/api/version")["version"])
	return identify.Match{Version: identify.Product("llama-swap", version)}, true
}

// Identify reports whether s speaks the OpenAI protocol. Ask it after all other
// engines, which speak it, too. The version names the product where it is
// Lemonade, SGLang or vLLM.
func Identify(ctx context.Context, s *identify.Server) (identify.Match, bool) {
	if health := s.Object(ctx, "/v1/health"); health["all_models_loaded"] != nil {
		return identify.Match{Version: identify.Product("Lemonade", identify.Text(health["version"]))}, true
	}
	if identify.Text(s.Object(ctx, "/get_model_info")["model_path"]) != "" {
		return identify.Match{Version: "SGLang"}, true
	}
	version := identify.Text(s.Object(ctx, "/version")["version"])
	list := s.Object(ctx, "/v1/models")
	if version != "" && strings.Contains(string(list["data"]), `"vllm"`) {
		return identify.Match{Version: identify.Product("vLLM", version)}, true
	}
	// Servers written in Go list no models as null.
	none := identify.Text(list["object"]) == "list" && string(list["data"]) == "null"
	return identify.Match{}, none || identify.IsList(list["data"])
}
