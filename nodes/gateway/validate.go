package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// maxResponse is the greatest size in bytes of a response that is not streamed.
const maxResponse = 64 << 20

// readWhole reads and validates a response that is not streamed.
func (a *attempt) readWhole(resp *http.Response) (*buffer, *failure) {
	body, err := a.exchange.forwarder.readBody(resp)
	_ = resp.Body.Close()
	if err != nil {
		return nil, a.failureOf(err)
	}
	if f := a.validate(resp, body.bytes); f != nil {
		return nil, f
	}
	return body, nil
}

// readBody reads the body of a response.
func (f *forwarder) readBody(resp *http.Response) (*buffer, error) {
	if n := resp.ContentLength; n >= 0 && n <= maxResponse {
		body := f.buffers.get(int(n))
		_, err := io.ReadFull(resp.Body, body.bytes)
		return body, err
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxResponse+1))
	if err == nil && n > maxResponse {
		err = &nodes.Error{Fault: nodes.Protocol, Err: fmt.Errorf("a response larger than %d MiB", maxResponse>>20)}
	}
	return newBuffer(b.Bytes()), err
}

// validate returns a failure if a body of status 200 is no answer: an error, no
// JSON object, or without content or tokens.
func (a *attempt) validate(resp *http.Response, body []byte) *failure {
	isError, content := false, false
	err := scan.Object(body, func(key, value []byte) bool {
		switch string(key) {
		case "error":
			isError = string(value) != "null"
		case "object", "type":
			isError = isError || string(value) == `"error"`
		}
		content = content || registry.HasContent(string(key))
		return true
	})
	switch {
	case err != nil:
		return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
	case isError && (!content || registry.Lookup(a.path).ErrorOverContent):
		if f := a.classified(resp.StatusCode, resp.Header, body); f.missingAPI || f.verdict != nodeFault {
			return f
		}
		return &failure{verdict: nodeFault, fault: nodes.ServerFailed, detail: "an error with status 200"}
	case !content && a.exchange.About == "":
		return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: "an answer without content"}
	case a.hasNoToken(body):
		return &failure{verdict: nodeFault, fault: nodes.Empty, answered: true, detail: "an answer without a token", status: resp.StatusCode, header: resp.Header, body: body, path: a.path}
	}
	return nil
}

// maxEmptyResponse is the greatest size in bytes of a response without a token.
// Larger ones are not parsed to find out.
const maxEmptyResponse = 2 << 10

// hasNoToken reports whether an answer is empty.
func (a *attempt) hasNoToken(body []byte) bool {
	if a.codec == nil || len(body) > maxEmptyResponse || a.exchange.emptyIsRight() {
		return false
	}
	if !bytes.Contains(body, []byte(`""`)) && !bytes.Contains(body, []byte("null")) && !bytes.Contains(body, []byte("[]")) {
		return false
	}
	r, err := a.codec.ReadReply(body)
	return err == nil && r.Empty() || hasNoChoice(body)
}

// hasNoChoice reports whether an answer has an empty list of choices.
func hasNoChoice(body []byte) (none bool) {
	_ = scan.Object(body, func(key, value []byte) bool {
		none = none || string(key) == "choices" && len(value) >= 2 && value[0] == '[' && len(bytes.TrimSpace(value[1:len(value)-1])) == 0
		return true
	})
	return none
}

// emptyIsRight reports whether an answer without a token may be right: the text
// that was to be completed is complete. A chat is not.
func (c *exchange) emptyIsRight() bool {
	return c.mayBeEmpty && (c.Path == "/v1/completions" || c.Path == "/api/generate")
}
