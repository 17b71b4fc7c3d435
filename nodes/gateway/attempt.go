package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
	"github.com/turbone/jarvis/nodes/internal/wire"
	"github.com/turbone/jarvis/nodes/route"
)

// verdict is what the end of an attempt means for its request.
type verdict int

const (
	// faulty: by the node's fault; another may do better.
	nodeFault verdict = iota
	// elsewhere: not by the node's fault, and another may do better: it is
	// busy, or has no such model, or lacks the API.
	tryAnother
	// final: the request itself is wrong; the client gets the node's own
	// answer.
	clientFault
	// over: the client went away, or somebody else answered.
	abandoned
)

// failure is how an attempt ended without an answer.
type failure struct {
	verdict verdict
	fault   nodes.Fault
	detail  string
	wait    time.Duration // for which the node asked to be left alone
	// status, header and body are the node's own answer, where there is one.
	status int
	header http.Header
	body   []byte
	path   string // of the API by which the node was asked
	// lacks: the node doesn't have the API.
	missingAPI bool
}

// judge says what a node's answer means that is no success.
func classify(e *nodes.Error, status int) failure {
	f := failure{fault: e.Fault, detail: e.Detail, wait: e.RetryAfter, status: status}
	switch {
	case e.Fault == nodes.Busy:
		f.verdict = tryAnother
	case e.Fault == nodes.ModelNotFound:
		f.verdict = tryAnother
	case e.Fault == nodes.TooLong, e.Fault == nodes.BadRequest:
		f.verdict = clientFault
	case e.Fault == nodes.Unauthorized, e.Fault == nodes.Crashed, e.Fault == nodes.NotLoaded, e.Fault == nodes.LoadFailed,
		e.Fault == nodes.OutOfMemory, status >= 500, status < 400:
		f.verdict = nodeFault
	default:
		f.verdict = clientFault
	}
	return f
}

// attempt is one request to one node.
type attempt struct {
	exchange *exchange
	upstream *upstream
	slot     *route.Request
	model    string
	dialect  chat.Dialect // in which the node is asked
	path     string
	body     *buffer
	ctx      context.Context
	cancel   context.CancelCauseFunc
	began    time.Time
	release  func() // gives back what a stream holds, nil where there is none
}

var (
	errOvertaken = errors.New("another node was faster")
	errSilent    = errors.New("no token in time")
)

// send sends the request and returns the answer's head, or a failure.
func (a *attempt) send() (*http.Response, *failure) {
	to := a.upstream.urls[a.path]
	if q := a.exchange.query; q != "" {
		with := *to
		with.RawQuery = q
		to = &with
	}
	resp, err := a.upstream.transport.RoundTrip(a.httpRequest(to))
	if err != nil {
		return nil, a.failureOf(err)
	}
	return resp, nil
}

func (a *attempt) httpRequest(to *url.URL) *http.Request {
	header := a.exchange.header
	if a.upstream.authorization != "" {
		header = header.Clone()
		header["Authorization"] = []string{a.upstream.authorization}
	}
	req := &http.Request{
		Method: http.MethodPost, URL: to, Host: to.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(a.body.bytes)), Body: newRequestBody(a.body),
		GetBody: func() (io.ReadCloser, error) { return newRequestBody(a.body), nil },
	}
	return req.WithContext(a.ctx)
}

// broke is the failure of an exchange that ended in err.
func (a *attempt) failureOf(err error) *failure {
	switch cause := context.Cause(a.ctx); {
	case errors.Is(cause, route.ErrEvicted):
		return &failure{verdict: tryAnother, fault: nodes.Busy, detail: cause.Error()}
	case errors.Is(cause, errSilent):
		return &failure{verdict: nodeFault, fault: nodes.TimedOut, detail: cause.Error()}
	case cause != nil:
		return &failure{verdict: abandoned, detail: cause.Error()}
	}
	fault := nodes.FaultOf(err)
	if fault == "" {
		fault = wire.TransportFault(err)
	}
	return &failure{verdict: nodeFault, fault: fault, detail: wire.Brief(errorText(err))}
}

// words are an error's, without the address: the node's name says where.
func errorText(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// maxRefusal bounds how much of an error answer is read, in bytes.
const maxErrorBody = 256 << 10

// refused reads an answer with another status than 200.
func (a *attempt) readError(resp *http.Response) *failure {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = resp.Body.Close()
	if err != nil && len(body) == 0 {
		return a.failureOf(err)
	}
	return a.classified(resp.StatusCode, resp.Header, body)
}

func (a *attempt) classified(status int, header http.Header, body []byte) *failure {
	header, body = a.redact(header, body)
	f := classify(a.upstream.endpoint.Classify(status, header, body), status)
	if isMissingAPI(status, body) && f.fault != nodes.ModelNotFound {
		f.verdict, f.missingAPI = tryAnother, true
	}
	f.header, f.body, f.path = header, body, a.path
	return &f
}

// withoutKey takes the node's key out of an error that names it: the client may
// get the node's own words.
func (a *attempt) redact(header http.Header, body []byte) (http.Header, []byte) {
	key := a.upstream.endpoint.Key
	if key.Empty() {
		return header, body
	}
	header = header.Clone()
	for name, values := range header {
		if strings.Contains(strings.Join(values, "\n"), key.Reveal()) {
			delete(header, name)
		}
	}
	return header, bytes.ReplaceAll(body, []byte(key.Reveal()), []byte(key.String()))
}

// lacksRoute reports whether an answer says that there is no such API: by 404
// without a word about a model, by 405 or 501, or in LM Studio's words.
func isMissingAPI(status int, body []byte) bool {
	switch status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusNotFound:
		return !bytes.Contains(bytes.ToLower(body), []byte("model"))
	}
	return bytes.Contains(body, []byte("Unexpected endpoint or method"))
}

// maxWhole is the largest answer in one piece that is checked before it is
// passed on.
const maxResponse = 64 << 20

// whole reads an answer in one piece, and sees that it is one.
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

func (f *forwarder) readBody(resp *http.Response) (*buffer, error) {
	if n := resp.ContentLength; n >= 0 && n <= maxResponse {
		body := f.buffers.get(int(n))
		_, err := io.ReadFull(resp.Body, body.bytes)
		return body, err
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxResponse+1))
	if err == nil && n > maxResponse {
		err = &nodes.Error{Fault: nodes.Protocol, Err: fmt.Errorf("an answer larger than %d MiB", maxResponse>>20)}
	}
	return newBuffer(b.Bytes()), err
}

// check sees whether a body is an answer of the protocol.
func (a *attempt) validate(resp *http.Response, body []byte) *failure {
	isError, content := false, false
	err := scan.Object(body, func(key, value []byte) bool {
		switch string(key) {
		case "error":
			isError = string(value) != "null"
		case "object", "type":
			isError = isError || string(value) == `"error"`
		case "choices", "data", "message", "response", "content", "output", "embeddings", "embedding":
			content = true
		}
		return true
	})
	switch {
	case err != nil:
		return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
	case isError && (!content || a.path == "/v1/chat/completions"):
		if f := a.classified(resp.StatusCode, resp.Header, body); f.missingAPI || f.verdict != nodeFault {
			return f
		}
		return &failure{verdict: nodeFault, fault: nodes.ServerFailed, detail: "an error inside a 200"}
	case !content && !a.exchange.passive:
		return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: "an answer without content"}
	case a.hasNoToken(body):
		return &failure{verdict: nodeFault, fault: nodes.Empty, detail: "an answer without a token", status: resp.StatusCode, header: resp.Header, body: body, path: a.path}
	}
	return nil
}

// smallAnswer: an answer without a token is no larger than this.
const maxEmptyResponse = 2 << 10

// silent reports whether an answer has not a single token.
func (a *attempt) hasNoToken(body []byte) bool {
	if a.dialect == nil || len(body) > maxEmptyResponse || !bytes.Contains(body, []byte(`""`)) {
		return false
	}
	r, err := a.dialect.ReadReply(body)
	return err == nil && r.Text == "" && r.Thinking == "" && len(r.Calls) == 0 && r.Usage.Completion <= 1 && r.Finish != chat.Length
}
