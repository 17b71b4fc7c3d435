package llamacpp

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream].
func (b *Backend) Endpoint() nodes.Endpoint {
	return b.wire.Endpoint(nodes.Always, "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
}
