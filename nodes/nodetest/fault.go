package nodetest

import (
	"context"
	"time"
)

// Fault is a failure of a fake that can be switched on.
type Fault string

// Faults that every fake has.
const (
	// Down refuses connections.
	Down Fault = "down"
	// Hang accepts connections and never answers.
	Hang Fault = "hang before headers"
	// HangMidAnswer stops an answer after its first piece.
	HangMidAnswer Fault = "hang in mid-answer"
	// Slow delays every answer by Detail.Delay.
	Slow Fault = "slow"
	// Status500 answers every request with status 500.
	Status500 Fault = "500"
	// NotJSON answers with status 200 and a page of HTML.
	NotJSON Fault = "not JSON"
	// CutOff breaks the connection in the middle of an answer.
	CutOff Fault = "cut off"
	// Unauthorized answers with status 401 and the engine's own text.
	Unauthorized Fault = "401"
	// TooManyRequests answers with status 429 and Retry-After: Detail.Delay.
	TooManyRequests Fault = "429"
	// LoadFails ends a load with the engine's error, or with Detail.Text.
	LoadFails Fault = "load fails"
	// LoadHangs never ends a load.
	LoadHangs Fault = "load hangs"
	// Wedged answers lists and never answers a chat.
	Wedged Fault = "wedged runner"
	// WrongAnswers gives wrong answers only.
	WrongAnswers Fault = "wrong answers"
	// MemoryNotFreed does not free the memory of an unloaded model, so that the
	// next load fails.
	MemoryNotFreed Fault = "memory not freed"
	// ErrorFrame sends an error, Detail.Text, in a successful stream.
	ErrorFrame Fault = "error frame in a 200 stream"
	// EmptyStream sends a well-formed successful answer without a token.
	EmptyStream Fault = "empty 200 stream"
	// OddFrames sends comments, empty events, frames with a role alone, with an empty
	// delta, and without choices, before each piece of a stream.
	OddFrames Fault = "odd frames in a stream"
	// NoEndMark ends a stream without its end mark, and without an error of the
	// connection.
	NoEndMark Fault = "stream without end mark"
	// AnotherModelAnswers names another model in the answer than the one asked.
	AnotherModelAnswers Fault = "another model answers"
	// UnloadOnlyAcknowledged answers an unload and does not unload.
	UnloadOnlyAcknowledged Fault = "unload only acknowledged"
	// Crashed answers chats with the engine's error for a dead runner, until the
	// next load.
	Crashed Fault = "runner crashed"
	// HalfDead is a model process that was told to end while it streamed: it is
	// listed as before, refuses every new chat, and its stream stands still until
	// the model is unloaded. Only llama-server has it.
	HalfDead Fault = "half-dead model process"
	// Huge sends an endless answer, as fast as the client reads.
	Huge Fault = "huge answer"
	// Drip sends one byte of an answer a minute.
	Drip Fault = "one byte a minute"
	// RedirectLoop redirects every request to itself.
	RedirectLoop Fault = "redirect loop"
)

// Detail are the parameters of a fault.
type Detail struct {
	// Delay is the delay of [Slow], and the Retry-After of [TooManyRequests].
	Delay time.Duration
	// Text replaces the error text.
	Text string
	// Routes limits the fault to some requests. 0 means all that it applies to.
	Routes Route
	// After is the number of pieces before the fault occurs, for [CutOff],
	// [HangMidAnswer], [NoEndMark] of a stream, and Ollama's [ErrorFrame]. 0
	// means one piece, and for NoEndMark the whole answer.
	After int
	// Times is the number of requests after which the fault ends. 0 means that
	// it does not end.
	Times int
}

// Route is a set of kinds of requests.
type Route int

// The routes of every engine.
const (
	Lists Route = 1 << iota
	Chats
	Loads
	Unloads
	Others
)

type fault struct {
	Detail
	hits int
}

// Break switches a fault on.
func (s *Server) Break(f Fault) { s.BreakWith(f, Detail{}) }

// BreakWith switches a fault on, with parameters.
func (s *Server) BreakWith(f Fault, d Detail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = &fault{Detail: d}
	if f == Down {
		s.stop()
	}
	for _, i := range s.instances {
		i.crashed = i.crashed || f == Crashed
		i.halfDead = i.halfDead || f == HalfDead
	}
	if d, ok := s.dialect.(interface{ broke(Fault) }); ok {
		d.broke(f)
	}
	s.change()
}

// Mend switches faults off, or all of them if none is named. Requests that hang
// because of them continue. It panics if the port of a server that was [Down]
// can't be listened on.
func (s *Server) Mend(list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(list) == 0 {
		for f := range s.faults {
			list = append(list, f)
		}
	}
	for _, f := range list {
		if _, on := s.faults[f]; !on {
			continue
		}
		delete(s.faults, f)
		if f == Down && !s.closed {
			s.stop() // what a server that ends leaves open
			if err := s.listen(); err != nil {
				panic(err) // a test without its server proves nothing
			}
		}
	}
	s.change()
}

// on reports whether a fault is switched on for a route, returns its parameters,
// and counts the hit.
func (s *Server) on(f Fault, route Route) (Detail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onLocked(f, route)
}

func (s *Server) onLocked(f Fault, route Route) (Detail, bool) {
	x, ok := s.faults[f]
	if !ok || x.Routes != 0 && x.Routes&route == 0 {
		return Detail{}, false
	}
	x.hits++
	if x.Times > 0 && x.hits >= x.Times {
		delete(s.faults, f)
	}
	return x.Detail, true
}

// strikes is on for a fault in the middle of an answer, after sent pieces.
func (s *Server) strikes(f Fault, sent int) (Detail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.faults[f]
	if !ok || sent != max(x.After, 1) || f == NoEndMark && x.After == 0 {
		return Detail{}, false
	}
	return s.onLocked(f, Chats)
}

// lacksEnd reports whether the end mark of a complete answer is to be omitted.
func (s *Server) lacksEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.faults[NoEndMark]; !ok || x.After > 0 {
		return false
	}
	_, on := s.onLocked(NoEndMark, Chats)
	return on
}

// active reports whether a fault is switched on, without counting a hit.
func (s *Server) active(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.faults[f]
	return ok
}

// hang blocks while the fault is on. It returns false if the client left or the
// server closed.
func (s *Server) hang(ctx context.Context, f Fault) bool {
	return s.waitWhile(ctx, func() bool {
		_, on := s.faults[f]
		return on
	})
}
