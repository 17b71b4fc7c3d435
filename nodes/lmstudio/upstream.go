package lmstudio

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream]. LM Studio closes every turn, so that
// an answer can only be carried on as a text: by /v1/completions.
func (b *Backend) Endpoint() nodes.Endpoint {
	return b.wire.Endpoint(nodes.Never, "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
}
