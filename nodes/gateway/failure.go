package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/internal/wire"
	"github.com/turbone/jarvis/nodes/route"
)

// verdict says what a failed attempt means for its request.
type verdict int

const (
	// nodeFault: the node failed. Another node may answer.
	nodeFault verdict = iota
	// tryAnother: the node is busy, or lacks the model or the API, which is no
	// fault. Another node may answer.
	tryAnother
	// clientFault: the request is wrong. The client gets the node's response.
	clientFault
	// abandoned: the client went away, or another node was faster.
	abandoned
)

// failure is the result of an attempt without an answer.
type failure struct {
	verdict verdict
	fault   nodes.Fault
	detail  string
	wait    time.Duration // that the node asked for before the next request
	// status, header and body are the node's response; status is 0 where there
	// is none.
	status int
	header http.Header
	body   []byte
	path   string // of the request to the node
	// missingAPI: the node doesn't have the API.
	missingAPI bool
}

// classify returns the failure of a response that is an error.
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

// failureOf returns the failure of an attempt that ended in err.
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

// errorText returns an error's text without the node's URL, which the reader
// doesn't need beside the node's name.
func errorText(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// maxErrorBody is the greatest part of an error response that is read, in
// bytes.
const maxErrorBody = 256 << 10

// readError reads a response with a status other than 200.
func (a *attempt) readError(resp *http.Response) *failure {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = resp.Body.Close()
	if err != nil && len(body) == 0 {
		return a.failureOf(err)
	}
	return a.classified(resp.StatusCode, resp.Header, body)
}

// classified returns the failure of an error response.
func (a *attempt) classified(status int, header http.Header, body []byte) *failure {
	header, body = a.redact(header, body)
	f := classify(a.upstream.endpoint.Classify(status, header, body), status)
	if isMissingAPI(status, body) && f.fault != nodes.ModelNotFound {
		f.verdict, f.missingAPI = tryAnother, true
	}
	f.header, f.body, f.path = header, body, a.path
	return &f
}

// redact removes the node's key from an error response: the client may get the
// response as it is.
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

// isMissingAPI reports whether a response says that the server doesn't have the
// API: status 405 or 501, status 404 without mention of a model, or the error
// text of LM Studio.
func isMissingAPI(status int, body []byte) bool {
	switch status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusNotFound:
		return !bytes.Contains(bytes.ToLower(body), []byte("model"))
	}
	return bytes.Contains(body, []byte("Unexpected endpoint or method"))
}

// translationFailure turns a translation error into a failure. A feature that
// the node's protocol lacks is tried on another node, and refused with status
// 501 if no node has it. Any other error is the client's, with status 400. A nil
// error gives nil.
func translationFailure(err error) *failure {
	var u protocol.UnsupportedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &u):
		return &failure{verdict: tryAnother, status: http.StatusNotImplemented, detail: err.Error()}
	}
	return &failure{verdict: clientFault, status: http.StatusBadRequest, detail: err.Error()}
}
