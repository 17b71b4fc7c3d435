package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// opening is the part of a stream up to its first token.
type opening struct {
	raw    []byte
	deltas []protocol.Delta
}

// awaitFirstToken reads a stream up to its first token. A node that fails before
// it can be replaced: the client has received nothing yet.
func (a *attempt) awaitFirstToken(resp *http.Response) (*responseHead, *failure) {
	buf := a.exchange.forwarder.frameBuffers.Get().(*[]byte)
	f := newFrameReader(resp.Body, a.codec.Events(), *buf)
	b := &responseHead{attempt: a, status: resp.StatusCode, header: resp.Header, frames: f}
	a.release = func() {
		_ = resp.Body.Close()
		if len(f.buf) == frameBufferSize { // one that grew is not reused
			*buf = f.buf
			a.exchange.forwarder.frameBuffers.Put(buf)
		}
	}
	if a.codec.Events() {
		if start := f.peek(); len(start) > 0 && start[0] == '{' {
			return a.streamOfWhole(b, resp)
		}
	}
	for {
		raw, inside, err := f.next()
		if err != nil {
			return nil, a.endedEarly(b, err)
		}
		b.opening.raw = append(b.opening.raw, raw...)
		if len(b.opening.raw) > maxFrame {
			return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: "too much data before the first token"}
		}
		if len(inside) == 0 {
			continue
		}
		p, err := a.codec.ReadFrame(inside)
		switch {
		case err != nil:
			return nil, a.unreadableFrame(resp, b.opening.raw, err)
		case p.Error != "":
			f := a.classified(errorStatus(p.Status), resp.Header, errorBody(p.Error))
			f.body = nil // the client gets an error in its own protocol
			return nil, f
		}
		if p.IsEmpty() { // a node may send comments without end
			continue
		}
		b.opening.deltas = append(b.opening.deltas, p)
		if p.HasToken() || (p.Finish != "" || p.Done) && !a.isEmpty(b.opening) {
			a.slot.Token()
			a.recordLatency(true)
			return b, nil
		}
		if p.Done {
			return nil, a.emptyStreamFailure(b)
		}
	}
}

// isEmpty reports whether a stream that ends after h lacks an answer. A stream
// may be empty if it only loads a model, reaches its token limit, or continues an
// answer that was complete.
func (a *attempt) isEmpty(h opening) bool {
	if k := a.exchange.continuation; k != nil && k.text != "" {
		return false // the answer broke off right before its end
	}
	if a.exchange.emptyIsRight() {
		return false
	}
	for _, p := range h.deltas {
		if p.Finish == protocol.FinishLength || p.Loaded || p.HasToken() {
			return false
		}
	}
	return true
}

// emptyStreamFailure is the failure of a stream without a token. The client gets
// the stream if it is empty on another node, too.
func (a *attempt) emptyStreamFailure(b *responseHead) *failure {
	return &failure{
		verdict: nodeFault, fault: nodes.Empty, answered: true, detail: "a stream without a token",
		status: http.StatusOK, header: b.header, body: bytes.Clone(b.opening.raw), path: a.path,
	}
}

// endedEarly is the failure of a stream that ended before its first token.
func (a *attempt) endedEarly(b *responseHead, err error) *failure {
	if !errors.Is(err, io.EOF) {
		return a.failureOf(err)
	}
	for _, p := range b.opening.deltas {
		if p.Finish != "" {
			f := a.emptyStreamFailure(b)
			if mark := a.codec.EndMark(); mark != nil {
				f.body = append(append(bytes.TrimRight(f.body, "\r\n"), "\n\n"...), mark...)
			}
			return f
		}
	}
	return &failure{verdict: nodeFault, fault: nodes.CutOff, detail: "the stream ended before its first token"}
}

// unreadableFrame is the failure of a frame that is not of the protocol, such as
// a page of HTML, or LM Studio's response to an unknown API.
func (a *attempt) unreadableFrame(resp *http.Response, raw []byte, err error) *failure {
	if missing, own := missingAPI(resp.StatusCode, raw); missing {
		return &failure{verdict: tryAnother, missingAPI: true, ownWords: own, answered: true, path: a.path}
	}
	return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
}

// streamOfWhole makes a stream from a response that is not one: some servers
// never stream, and most send errors so.
func (a *attempt) streamOfWhole(b *responseHead, resp *http.Response) (*responseHead, *failure) {
	body, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(b.frames.unread()), resp.Body), maxResponse))
	if err != nil {
		return nil, a.failureOf(err)
	}
	if f := a.validate(resp, body); f != nil {
		f.body = nil // a client that asked for a stream can't read it
		return nil, f
	}
	r, err := a.codec.ReadReply(body)
	if _, ok := a.exchange.Codec.(protocol.StreamCodec); !ok && err == nil {
		err = errors.New("a response that is not streamed, though a stream was requested")
	}
	if err != nil {
		return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
	}
	b.frames = newFrameReader(bytes.NewReader(nil), a.codec.Events(), make([]byte, 1)) // empty
	b.converted = true
	b.opening.deltas = []protocol.Delta{r.Delta()}
	a.slot.Token()
	a.recordLatency(true)
	return b, nil
}

// errorStatus returns the HTTP status of an error inside a stream.
func errorStatus(code int) int {
	if code >= 400 && code < 600 {
		return code
	}
	return http.StatusInternalServerError
}

// errorBody returns an error inside a stream as the body of a response.
func errorBody(text string) []byte {
	return append(append([]byte(`{"error":{"message":`), scan.AppendString(nil, text)...), `}}`...)
}
