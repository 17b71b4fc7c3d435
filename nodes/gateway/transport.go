package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/turbone/jarvis/nodes/route"
)

// Transport sends a Go program's requests to the cluster. The address in them
// is of no matter, only the path: a client of OpenAI's, Anthropic's or Ollama's
// protocol may think that it speaks to one server that never fails. Safe for
// concurrent use.
type Transport struct{ forwarder *forwarder }

// NewTransport makes a transport for the nodes of a table, which somebody has
// to keep: a healer, or the program itself. The error names the option that is
// wrong.
func NewTransport(t *route.Table, o Options) (*Transport, error) {
	f, err := newForwarder(t, o)
	if err != nil {
		return nil, err
	}
	return &Transport{f}, nil
}

// CloseIdleConnections closes the connections to nodes that no request uses.
func (t *Transport) CloseIdleConnections() { t.forwarder.transport.CloseIdleConnections() }

// RoundTrip implements [http.RoundTripper]. It blocks until an answer begins:
// until the first token of a stream, or until the whole of another answer is
// there. That no node answers is an answer as well (429, 502, 503), in the
// protocol's own shape; an error is only a request that is none, and the
// context's end.
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
		return f.listed(req, header)
	}
	a := &request{api: apis[req.URL.Path], query: req.URL.RawQuery, header: header, buffer: newBuffer(body), body: body}
	if a.api == nil {
		return nil, fmt.Errorf("route: no node can be asked by %s", req.URL.Path)
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
		o.head.body.retain() // for ever: the body is the caller's now
	}
	o.close(false)
	return resp, nil
}

// readAsk takes what the route must know from a request, and what is not the
// nodes' business out of its header.
func (f *forwarder) parse(a *request) (timeout time.Duration, err error) {
	if timeout, err = a.parseHeader(a.header, f.options.Restart); err != nil {
		return 0, err
	}
	err = a.parseBody(f.byConversation, f.seed)
	cleanHeader(a.header)
	return timeout, err
}

// take reads a request's body, which has to be whole before it is sent: it may
// have to be sent again.
func readRequestBody(req *http.Request, most int64) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	var b bytes.Buffer
	if n := req.ContentLength; n > 0 && n <= most {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(req.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("route: read the request: %w", err)
	}
	if n > most {
		return nil, fmt.Errorf("route: the request is larger than %d bytes; raise MaxBody", most)
	}
	return b.Bytes(), nil
}

func httpResponse(req *http.Request, o *response) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", o.status, http.StatusText(o.status)), StatusCode: o.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: o.header, Request: req,
		Body: io.NopCloser(bytes.NewReader(o.body)), ContentLength: int64(len(o.body)),
	}
}
