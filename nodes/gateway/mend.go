package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/turbone/jarvis/nodes"
	chat "github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/route"
)

// mend goes on after the node's stream ended in err.
func (s *stream) mend(err error) ([]byte, error) {
	switch {
	case s.finished:
		return s.close(), nil
	case s.ctx.Err() != nil:
		s.drop()
		if s.c.timeout > 0 && errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
			return s.fail(errors.New("not whole within " + HeaderTimeout)), nil
		}
		s.ended = true
		return nil, context.Cause(s.ctx)
	}
	f := s.b.broke(err)
	if errors.Is(err, io.EOF) {
		f.fault, f.detail = nodes.CutOff, "the stream ended without its end mark"
	}
	var e *nodes.Error
	if errors.As(err, &e) {
		f.fault, f.detail = e.Fault, e.Error()
	}
	if f.verdict == faulty {
		s.b.request.Fail(f.fault, f.detail)
		s.c.failures = append(s.c.failures, route.Failure{Node: s.b.end.node.Name, Fault: f.fault, Detail: f.detail, Begun: true})
	}
	from := s.b
	s.drop()
	if err := s.goOn(from); err != nil {
		if s.ctx.Err() != nil {
			return s.mend(err)
		}
		return s.fail(err), nil
	}
	return nil, nil
}

// close ends a stream whose answer is complete. The mark of the protocol's end
// may be missing: the client gets it.
func (s *stream) close() []byte {
	s.drop()
	s.ended = true
	if s.done {
		return nil
	}
	s.done = true
	if s.writer == nil {
		return chat.EndMark(s.c.dialect)
	}
	return s.writer.Piece(chat.Piece{Done: true})
}

// goOn finds another node for the rest of the answer: one that carries it on,
// or, where the client asked for that, one that begins anew.
func (s *stream) goOn(from *begun) error {
	c := s.c
	c.want.Previous = nil
	c.hopeful = true // the node that broke off may come back
	if s.pieces-s.had >= leastProgress {
		s.had, s.vain = s.pieces, 0
	} else if s.vain++; s.vain > 2*len(c.f.ends) {
		return errVain
	}
	c.until = time.Now().Add(c.f.options.Wait)
	clear(c.tried)
	c.tried[c.place(from.end)] = true
	if err := s.carryOn(); err == nil || !c.restart || s.ctx.Err() != nil {
		return err
	}
	c.carry, s.echo, s.writer = nil, nil, nil
	clear(c.tried)
	c.tried[c.place(from.end)] = true
	b, err := c.reach(s.ctx, false)
	if err != nil {
		return err
	}
	s.restarted++
	s.text.Reset()
	s.thinking.Reset()
	s.pieces, s.calling, s.id, s.model, s.created = 0, false, "", "", 0
	s.take(b)
	return nil
}

// leastProgress is how far an answer has to come, in pieces, before its breaks
// are forgotten: it may be what breaks one node after another.
const leastProgress = 16

var errVain = errors.New("no node gets any further with it")

var errCalling = errors.New("the answer broke off in a tool call, which no other node can carry on")

func (s *stream) carryOn() error {
	c := s.c
	if s.calling {
		return errCalling
	}
	c.carry = &carry{text: s.text.String(), thinking: s.thinking.String(), pieces: s.pieces}
	b, err := c.reach(s.ctx, false)
	if err != nil {
		return fmt.Errorf("no node could carry the answer on: %w", err)
	}
	s.resumed++
	s.take(b)
	s.echo = newEcho(c.carry.text)
	s.writer = c.dialect.NewWriter(s.start(true))
	return nil
}

// fail ends the client's stream in an error of its protocol.
func (s *stream) fail(err error) []byte {
	s.ended = true
	s.broken = err
	return s.c.errors.ErrorFrame(http.StatusBadGateway, "the answer broke off: "+err.Error())
}

// drop gives the node's stream up.
func (s *stream) drop() {
	s.stall.Stop()
	s.b.drop()
}
