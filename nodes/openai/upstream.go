package openai

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream]. The fields for a continuation are those of
// vLLM and SGLang. A server without them refuses the request.
func (b *Backend) Endpoint() nodes.Endpoint {
	return b.wire.Endpoint(continues, "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
}

func continues(string) (map[string]any, bool) {
	return map[string]any{"continue_final_message": true, "add_generation_prompt": false}, true
}
