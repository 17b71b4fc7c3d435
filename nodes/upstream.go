package nodes

import (
	"net/http"
	"net/url"
)

// Upstream is a [Backend] whose server can take the requests of other programs.
// A gateway forwards to such backends only.
type Upstream interface {
	// Endpoint returns the server's address and inference endpoints.
	Endpoint() Endpoint
}

// Endpoint is a server as a gateway sees it.
type Endpoint struct {
	// URL is the base address, to which the path of an API is joined.
	URL *url.URL
	// Key is sent with each request as a bearer token unless it is empty.
	Key Secret
	// Transport carries the requests. Nil means the gateway's own.
	Transport http.RoundTripper
	// APIs lists the inference endpoints that the server offers, as paths such
	// as "/v1/chat/completions". Older versions of the server may lack some.
	APIs []string
	// Continues reports whether the server continues a partial answer on the
	// endpoint api, where the request's last message is the assistant's. fields
	// are added to such a request.
	Continues func(api string) (fields map[string]any, ok bool)
	// RepeatsPartial is set if an answer that is not streamed begins with the
	// partial answer of the request.
	RepeatsPartial bool
	// Classify returns the fault of an answer that is not a success: one whose
	// status is not 200, or whose body is an error.
	Classify func(status int, header http.Header, body []byte) *Error
}

// Never is the [Endpoint.Continues] of a server that always starts a new
// answer.
func Never(string) (map[string]any, bool) { return nil, false }

// Always is the [Endpoint.Continues] of a server that continues a partial
// answer without further fields.
func Always(string) (map[string]any, bool) { return nil, true }
