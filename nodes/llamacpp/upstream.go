package llamacpp

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream].
func (b *Backend) Endpoint() nodes.Endpoint {
	e := b.wire.Endpoint(continues, "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
	e.RepeatsPartial = true
	return e
}

// continues returns the fields with which a server continues an answer, whether or
// not it was started with --no-prefill-assistant. Only chat completions read them:
// the Anthropic endpoint begins a new answer without a word, and that of responses
// refuses the request.
func continues(api string) (map[string]any, bool) {
	if api != "/v1/chat/completions" {
		return nil, false
	}
	return map[string]any{"continue_final_message": true, "add_generation_prompt": false}, true
}
