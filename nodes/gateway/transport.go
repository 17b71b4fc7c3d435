package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/route"
)

// Transport is an [http.RoundTripper] that sends requests to the nodes of a
// table. Only the path of a request's URL matters, not its host. A client of
// OpenAI's, Anthropic's or Ollama's protocol uses the nodes like one server.
// Safe for concurrent use.
type Transport struct{ forwarder *forwarder }

// NewTransport returns a transport to the nodes of a table, which a healer or
// the program keeps up to date. The error names the option that is wrong.
func NewTransport(t *route.Table, o Options) (*Transport, error) {
	f, err := newForwarder(t, o)
	if err != nil {
		return nil, err
	}
	return &Transport{f}, nil
}

// CloseIdleConnections closes the idle connections to nodes.
func (t *Transport) CloseIdleConnections() { t.forwarder.transport.CloseIdleConnections() }

// RoundTrip implements [http.RoundTripper]. It blocks until the first token of a
// stream, or until the whole of another response has arrived.
//
// If no node answers, the result is a response with status 429, 502 or 503 and
// an error body in the request's protocol. RoundTrip returns an error only for a
// malformed request and when the context ends.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	f := t.forwarder
	body, err := readRequestBody(req, f.options.MaxBody)
	if err != nil {
		return nil, err
	}
	header := req.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if req.Method != http.MethodPost {
		return httpResponse(req, f.serveList(req)), nil
	}
	a := &request{API: registry.Lookup(req.URL.Path), query: req.URL.RawQuery, header: header, buffer: newBuffer(body), body: body}
	if a.API == nil {
		return nil, fmt.Errorf("gateway: unknown API %s", req.URL.Path)
	}
	timeout, err := f.parse(a)
	if err != nil {
		return httpResponse(req, badRequestResponse(a, err)), nil
	}
	o, err := f.forward(req.Context(), a, timeout)
	if err != nil {
		o.close(true)
		return nil, err
	}
	resp := httpResponse(req, o)
	if o.stream != nil {
		resp.Body = &streamBody{response: o}
		resp.ContentLength = -1
		return resp, nil
	}
	if o.head != nil {
		o.head.body.retain() // never released: the body is the caller's now
	}
	o.close(false)
	return resp, nil
}

// parse reads from a request what the gateway needs, and removes from its header
// what the nodes must not get.
func (f *forwarder) parse(a *request) (timeout time.Duration, err error) {
	if timeout, err = a.parseHeader(a.header, f.options.Restart); err != nil {
		return 0, err
	}
	a.drops = !f.options.KeepClientSettings && strings.HasPrefix(a.Path, "/api/")
	err = a.parseBody(f.byConversation, f.seed)
	cleanHeader(a.header)
	return timeout, err
}

// readRequestBody reads the whole body of a request, because it may have to be
// sent several times. max is its greatest size in bytes.
func readRequestBody(req *http.Request, max int64) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	var b bytes.Buffer
	if n := req.ContentLength; n > 0 && n <= max {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(req.Body, max+1))
	if err != nil {
		return nil, fmt.Errorf("gateway: read the request: %w", err)
	}
	if n > max {
		return nil, fmt.Errorf("gateway: the request is larger than %d bytes (Options.MaxBody)", max)
	}
	return b.Bytes(), nil
}

// httpResponse returns a response as one of a transport.
func httpResponse(req *http.Request, o *response) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", o.status, http.StatusText(o.status)), StatusCode: o.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: o.header, Request: req,
		Body: io.NopCloser(bytes.NewReader(o.body)), ContentLength: int64(len(o.body)),
	}
}
