package nodes

import (
	"net/http"
	"net/url"
)

// Upstream is a backend whose server takes the requests of users' programs as
// they are. A route needs it to pass them on.
type Upstream interface {
	// Endpoint says where the server is and what it can be asked.
	Endpoint() Endpoint
}

// Endpoint is how a server is reached by a route.
type Endpoint struct {
	// URL is the base address: an API's path is joined to it.
	URL *url.URL
	// Key goes with each request as a bearer token where it is not empty.
	Key Secret
	// Transport carries the requests; nil means the route's own.
	Transport http.RoundTripper
	// APIs are the paths of the APIs for asking that the server has, such as
	// "/v1/chat/completions". An older version may lack some.
	APIs []string
	// Continues returns whether the server, asked by a path, carries on the
	// text of a last message that is the assistant's, and what has to be in
	// the request for that.
	Continues func(api string) (fields map[string]any, ok bool)
	// Classify names the fault of an answer that is no success: of one with
	// another status than 200, or of one whose body is an error.
	Classify func(status int, header http.Header, body []byte) *Error
}

// Never is [Endpoint.Continues] of a server that begins anew.
func Never(string) (map[string]any, bool) { return nil, false }

// Always is [Endpoint.Continues] of a server that carries on unasked.
func Always(string) (map[string]any, bool) { return nil, true }
