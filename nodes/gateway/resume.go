package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// handleBreak goes on after the node's stream ended in err, and returns the
// output for it.
func (s *stream) handleBreak(err error) ([]byte, error) {
	switch {
	case s.finished:
		return s.finish(), nil
	case s.ctx.Err() != nil:
		s.closeUpstream()
		if s.exchange.timeout > 0 && errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
			return s.fail(errors.New("not whole within " + HeaderTimeout)), nil
		}
		s.ended = true
		return nil, context.Cause(s.ctx)
	}
	f := s.head.failureOf(err)
	if errors.Is(err, io.EOF) {
		f.fault, f.detail = nodes.CutOff, "the stream ended without its end mark"
	}
	var e *nodes.Error
	if errors.As(err, &e) {
		f.fault, f.detail = e.Fault, e.Error()
	}
	if f.verdict == nodeFault {
		s.exchange.report(s.head.slot, f)
		s.exchange.failures = append(s.exchange.failures, route.Failure{Node: s.head.upstream.node.Name, Fault: f.fault, Detail: f.detail, Begun: true})
	}
	from := s.head
	s.closeUpstream()
	if err := s.retry(from, f); err != nil {
		if s.ctx.Err() != nil {
			return s.handleBreak(err)
		}
		return s.fail(err), nil
	}
	return nil, nil
}

// finish ends a stream whose answer is complete, and returns the end mark if the
// node did not send it.
func (s *stream) finish() []byte {
	s.closeUpstream()
	s.ended = true
	if s.done {
		return nil
	}
	s.done = true
	if s.writer == nil {
		return s.exchange.Codec.EndMark()
	}
	return s.writer.Write(protocol.Delta{Done: true})
}

// retry continues the answer on another node or, if none can and the client
// allows it, begins it again.
func (s *stream) retry(from *responseHead, f *failure) error {
	c := s.exchange
	c.trail.broke(c.placeOf(from.upstream), f, time.Now())
	c.demand.Previous = nil
	s.dropCalls()
	if s.deltas-s.progress >= minProgress {
		s.progress, s.fruitless = s.deltas, 0
	} else if s.fruitless++; s.fruitless > 2*len(c.forwarder.upstreams) {
		return errNoProgress
	}
	c.searchUntil = time.Now().Add(c.forwarder.options.Wait)
	clear(c.tried)
	c.tried[c.placeOf(from.upstream)] = true
	if s.begun {
		if err := s.resume(); err == nil || !c.restart || s.ctx.Err() != nil {
			return err
		}
		clear(c.tried)
		c.tried[c.placeOf(from.upstream)] = true
	}
	return s.restart()
}

// restart begins the answer again on another node.
func (s *stream) restart() error {
	c := s.exchange
	c.continuation, s.echo, s.writer = nil, nil, nil
	b, err := c.dispatch(s.ctx, false)
	if err != nil {
		return err
	}
	if s.begun {
		s.restarted++
	}
	s.text.Reset()
	s.thinking.Reset()
	s.deltas, s.calls, s.id, s.model, s.created = 0, heldCalls{}, "", "", 0
	s.attach(b)
	return nil
}

// minProgress is the number of deltas after which earlier breaks of the stream
// are forgotten. With less progress the answer itself may be what breaks one node
// after another.
const minProgress = 16

var (
	errNoProgress = errors.New("no node gets further with it")
	errStructured = errors.New("it is held to a form by a grammar, which no other node can begin in the middle of it")
	errMany       = errors.New("it has several choices, which no other node can continue")
	errInToolCall = errors.New("it broke off in a tool call, which no other node can continue")
)

// resume continues the answer on another node.
func (s *stream) resume() error {
	c := s.exchange
	switch {
	case s.calls.begun:
		return errInToolCall
	case c.structured && s.text.Len() > 0:
		return errStructured
	case c.many:
		return errMany
	}
	c.continuation = &continuation{text: s.text.String(), thinking: s.thinking.String(), deltas: s.deltas}
	b, err := c.dispatch(s.ctx, false)
	if err != nil {
		return fmt.Errorf("no node could continue it: %w", err)
	}
	s.resumed++
	s.attach(b)
	s.echo = newEchoFilter(c.continuation.text)
	s.writer = s.newWriter(true)
	return nil
}

// fail ends the client's stream, and returns an error frame of its protocol.
func (s *stream) fail(err error) []byte {
	s.ended = true
	s.brokenBy = err
	return s.exchange.Errors.ErrorFrame(http.StatusBadGateway, "the answer broke off: "+err.Error())
}

// closeUpstream ends the node's stream.
func (s *stream) closeUpstream() {
	s.stall.timer.Stop()
	s.head.close()
}
