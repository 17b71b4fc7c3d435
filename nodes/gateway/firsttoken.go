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

// head is the beginning of a stream: what came up to its first token.
type opening struct {
	raw    []byte // as it came
	deltas []protocol.Delta
}

// first reads a stream up to its first token. A node that fails before it has
// shown the client nothing, and can be replaced.
func (a *attempt) awaitFirstToken(resp *http.Response) (*responseHead, *failure) {
	room := a.exchange.forwarder.frameBuffers.Get().(*[]byte)
	f := newFrameReader(resp.Body, a.codec.Events(), *room)
	b := &responseHead{attempt: a, status: resp.StatusCode, header: resp.Header, frames: f}
	a.release = func() {
		_ = resp.Body.Close()
		if len(f.buf) == frameBufferSize { // one that grew is not kept
			*room = f.buf
			a.exchange.forwarder.frameBuffers.Put(room)
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
			return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: "much was said, and no token"}
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
			f.body = nil // the client is told in its own protocol
			return nil, f
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

// empty reports whether a stream that ends now had nothing to say and should
// have had: one that only loads a model has not, and one that was cut by its
// limit may.
func (a *attempt) isEmpty(h opening) bool {
	if k := a.exchange.continuation; k != nil && k.text != "" {
		return false // it broke off right before its end
	}
	for _, p := range h.deltas {
		if p.Finish == protocol.FinishLength || p.Loaded || p.HasToken() {
			return false
		}
	}
	return true
}

// emptyStream is the failure of a stream without a token. The client gets it
// where another node has nothing to say either.
func (a *attempt) emptyStreamFailure(b *responseHead) *failure {
	return &failure{
		verdict: nodeFault, fault: nodes.Empty, detail: "a stream without a token",
		status: http.StatusOK, header: b.header, body: bytes.Clone(b.opening.raw), path: a.path,
	}
}

// early is the failure of a stream that ended before its first token.
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

// unreadable is the failure of a frame that is none: a proxy's words, a page
// of HTML, or LM Studio's answer to a route that it doesn't have.
func (a *attempt) unreadableFrame(resp *http.Response, raw []byte, err error) *failure {
	if isMissingAPI(resp.StatusCode, raw) {
		return &failure{verdict: tryAnother, missingAPI: true, path: a.path}
	}
	return &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
}

// inOnePiece makes a stream of an answer that came whole: some servers never
// stream, and errors come so.
func (a *attempt) streamOfWhole(b *responseHead, resp *http.Response) (*responseHead, *failure) {
	body, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(b.frames.buf[b.frames.start:b.frames.end]), resp.Body), maxResponse))
	if err != nil {
		return nil, a.failureOf(err)
	}
	if f := a.validate(resp, body); f != nil {
		f.body = nil // who asked for a stream can't read it
		return nil, f
	}
	r, err := a.codec.ReadReply(body)
	if _, ok := a.exchange.Codec.(protocol.StreamCodec); !ok && err == nil {
		err = errors.New("an answer in one piece where a stream was asked for")
	}
	if err != nil {
		return nil, &failure{verdict: nodeFault, fault: nodes.Protocol, detail: err.Error()}
	}
	b.frames = newFrameReader(bytes.NewReader(nil), a.codec.Events(), nil)
	b.frames.err = io.EOF
	b.converted = true
	b.opening.deltas = []protocol.Delta{r.Delta()}
	a.slot.Token()
	a.recordLatency(true)
	return b, nil
}

// errorStatus is the status of an error inside a stream.
func errorStatus(code int) int {
	if code >= 400 && code < 600 {
		return code
	}
	return http.StatusInternalServerError
}

// errorBody is an error as an answer's body, for those that read such.
func errorBody(text string) []byte {
	return append(append([]byte(`{"error":{"message":`), scan.AppendString(nil, text)...), `}}`...)
}
