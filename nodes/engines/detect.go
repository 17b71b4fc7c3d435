package engines

import (
	"context"
	"net/http"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/identify"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Detect returns the engine of the server at an address. It judges by the bodies
// of the answers: a status proves nothing, since LM Studio answers 200 to every
// path. It asks without a key and changes nothing on the server. It blocks for
// at most a dozen quick requests of 2 s each; a server that hangs ends it with
// the first. transport may be nil.
//
// name is one of [Names]. Servers that speak the OpenAI protocol and have no
// engine of their own here (vLLM, SGLang, llama-swap, Lemonade, …) are
// "openai". version is for people: the server's own, with the product's name
// where that is not the engine's; for LM Studio, which tells none, "0.4+" or
// "0.3"; "" where nothing is told.
//
// The error wraps [nodes.WrongEngine] where the answers are no engine's, and
// [nodes.Unauthorized] where a key is asked for; name is then set if the
// refusal itself tells the engine. Other faults are those of the connection.
func Detect(ctx context.Context, baseURL string, transport http.RoundTripper) (name, version string, err error) {
	client, err := wire.New(nodes.Connection{Node: baseURL, URL: baseURL, Transport: transport}, nil)
	if err != nil {
		return "", "", err
	}
	if transport == nil {
		defer client.HTTP().CloseIdleConnections() // of the transport made for this
	}
	server := identify.New(client)
	for _, engine := range recognizers() {
		match, ok := engine.identify(ctx, server)
		switch {
		case server.Err() != nil:
			return "", "", server.Err()
		case ok && match.Locked:
			return engine.name, match.Version, client.Fail(identify.Action, nodes.Unauthorized, "the server asks for a key")
		case ok:
			return engine.name, match.Version, nil
		}
	}
	return "", "", server.Unrecognized()
}
