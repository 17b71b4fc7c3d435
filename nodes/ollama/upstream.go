package ollama

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream]. The templates of current models leave the
// last turn open if it is the assistant's, so that the server continues it.
func (b *Backend) Endpoint() nodes.Endpoint {
	return b.wire.Endpoint(nodes.Always,
		"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
		"/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show")
}
