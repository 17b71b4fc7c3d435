package lmstudio

import "github.com/turbone/jarvis/nodes"

var _ nodes.Upstream = (*Backend)(nil)

// Endpoint implements [nodes.Upstream]. LM Studio closes the last turn of a chat,
// so that it can't continue a partial answer. A gateway can do so as a plain text,
// by /v1/completions.
func (b *Backend) Endpoint() nodes.Endpoint {
	return b.wire.Endpoint(nodes.Never, "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
}
