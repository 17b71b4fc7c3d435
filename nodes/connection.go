package nodes

import "net/http"

// Connection is the configuration of an engine's client: one server, and how
// to reach it. Every engine's New takes it.
type Connection struct {
	// Node is the node's name, for errors.
	Node string
	// URL is the server's base address, such as "http://10.5.0.2:1234". A path
	// in it is kept, apart from a "/v1" at its end for the openai engine.
	URL string
	// Key is sent as a bearer token. The zero value sends none.
	Key Secret
	// Transport carries the requests. Nil means a transport of the client's own
	// with time-outs for servers on a local network.
	Transport http.RoundTripper
}
