package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
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
	form   string // of a continuation, beside the path
	// answered: the node answered by an error that may be the request's fault.
	answered bool
	// missingAPI: the node doesn't seem to have the API. ownWords: by words of
	// the engine's own.
	missingAPI, ownWords bool
}

// classify returns the failure of a response that is an error.
func classify(e *nodes.Error, status int) failure {
	f := failure{fault: e.Fault, detail: e.Detail, wait: e.RetryAfter, status: status}
	switch {
	case e.Fault == nodes.Busy:
		f.verdict = tryAnother
	case e.Fault == nodes.ModelNotFound:
		f.verdict = tryAnother
	case e.Fault == nodes.TooLong, e.Fault == nodes.Unsupported: // another node may have more room, or a model that can
		f.verdict = tryAnother
		if status < 400 || status >= 500 {
			f.status = http.StatusBadRequest
		}
	case e.Fault == nodes.BadRequest:
		f.verdict = clientFault
	case e.Fault == nodes.Unauthorized, e.Fault == nodes.Crashed, e.Fault == nodes.NotLoaded, e.Fault == nodes.LoadFailed,
		e.Fault == nodes.OutOfMemory, status >= 500, status < 400:
		f.verdict = nodeFault
	default:
		f.verdict = clientFault
	}
	f.answered = f.verdict == nodeFault && mayFollow(e.Fault, status)
	return f
}

// mayFollow reports whether an error may be the request's fault, so that it would
// follow the request to other nodes: some servers answer 500 to what they can't
// read, and 403 to whom they don't know. A gateway in front of the node, which
// answers 502 or 504, and what the node says of itself are no such errors.
func mayFollow(f nodes.Fault, status int) bool {
	switch f {
	case nodes.ServerFailed:
		return status != http.StatusBadGateway && status != http.StatusGatewayTimeout
	case nodes.Crashed, nodes.Empty:
		return true
	case nodes.Unauthorized:
		return status == http.StatusForbidden
	}
	return false
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
	if missing, own := missingAPI(status, body); missing && f.fault != nodes.ModelNotFound {
		f.verdict, f.missingAPI, f.ownWords, f.answered = tryAnother, true, own, true
	} else if status == http.StatusNotImplemented { // what one request asked for
		f.verdict, f.answered = tryAnother, false
	}
	// A continuation is in a form that the client did not choose: that a model
	// refuses it says nothing of what the client asked.
	if others(status) && f.verdict == clientFault || a.exchange.continuation == nil && lacksAbility(status, body) {
		f.verdict, f.answered = tryAnother, false
	}
	f.header, f.body, f.path = header, body, a.path
	if a.turn {
		f.form = turnForm
	}
	return &f
}

// others reports whether a status of a refusal is about the node as much as about
// the request, so that another node may answer: no credit, too slow, in conflict
// with what it does now, or larger than it takes.
func others(status int) bool {
	switch status {
	case http.StatusPaymentRequired, http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// inabilities are the engines' words for what a model can't do, or a server as it
// was started: tools, images, thinking.
var inabilities = []string{
	"does not support",                   // Ollama, LM Studio
	"input is not supported",             // llama-server without a projector
	"requires --jinja",                   // llama-server
	"requires --enable-auto-tool-choice", // vLLM
	"is not a multimodal model",          // vLLM
}

// lacksAbility reports whether an error says that the node can't do what the
// request asks for.
func lacksAbility(status int, body []byte) bool {
	if status != http.StatusBadRequest && status != http.StatusInternalServerError && status != http.StatusNotImplemented && status != http.StatusUnprocessableEntity {
		return false
	}
	said := strings.ToLower(wire.ErrorText(body))
	return slices.ContainsFunc(inabilities, func(words string) bool { return strings.Contains(said, words) })
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
