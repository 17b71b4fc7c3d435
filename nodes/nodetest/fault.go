package nodetest

import (
	"context"
	"time"
)

// Fault is a way in which a fake fails while it is switched on.
type Fault string

// Faults that every fake has.
const (
	// Down: the port refuses connections.
	Down Fault = "down"
	// Hang: connections are accepted and nothing is ever answered.
	Hang Fault = "hang before headers"
	// HangMidAnswer: an answer stops after its first piece.
	HangMidAnswer Fault = "hang in mid-answer"
	// Slow: every answer is Detail.Delay late.
	Slow Fault = "slow"
	// Status500: every request is answered 500.
	Status500 Fault = "500"
	// NotJSON: 200 with a page of HTML.
	NotJSON Fault = "not JSON"
	// CutOff: the connection breaks in mid-answer.
	CutOff Fault = "cut off"
	// Unauthorized: 401, in the engine's own words.
	Unauthorized Fault = "401"
	// TooManyRequests: 429 with Retry-After: Detail.Delay.
	TooManyRequests Fault = "429"
	// LoadFails: a load ends with the engine's error; Detail.Text replaces it.
	LoadFails Fault = "load fails"
	// LoadHangs: a load never ends.
	LoadHangs Fault = "load hangs"
	// Wedged: lists are healthy, generation hangs.
	Wedged Fault = "wedged runner"
	// WrongAnswers: every answer is wrong.
	WrongAnswers Fault = "wrong answers"
	// MemoryNotFreed: an unload is done, and the next load fails for memory.
	MemoryNotFreed Fault = "memory not freed"
	// ErrorFrame: a 200 stream that holds an error, Detail.Text.
	ErrorFrame Fault = "error frame in a 200 stream"
	// EmptyStream: a well-formed 200 answer without a token.
	EmptyStream Fault = "empty 200 stream"
	// NoEndMark: the stream ends cleanly and without its end mark.
	NoEndMark Fault = "stream without end mark"
	// AnotherModelAnswers: the reply names a model that was not asked.
	AnotherModelAnswers Fault = "another model answers"
	// UnloadOnlyAcknowledged: an unload is answered, and nothing happens.
	UnloadOnlyAcknowledged Fault = "unload only acknowledged"
	// Crashed: generation fails in the engine's words for a dead runner;
	// cured by a load.
	Crashed Fault = "runner crashed"
	// Huge: an answer without end, as fast as the reader reads.
	Huge Fault = "huge answer"
	// Drip: an answer of one byte a minute.
	Drip Fault = "one byte a minute"
	// RedirectLoop: every request is redirected to itself.
	RedirectLoop Fault = "redirect loop"
)

// Detail tunes a fault.
type Detail struct {
	// Delay is how late (Slow), or when to come back (TooManyRequests).
	Delay time.Duration
	// Text replaces the error text.
	Text string
	// Routes limits the fault to some requests; 0 is all that it can touch.
	Routes Route
	// After is after how many pieces of an answer a fault strikes that does so
	// in the middle of one (CutOff, HangMidAnswer, NoEndMark of a stream, and
	// Ollama's ErrorFrame); 0 is after the first, for NoEndMark after the last.
	After int
	// Times ends the fault after so many requests hit it; 0 is never.
	Times int
}

// Route is a class of requests, to be added up.
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

// BreakWith switches a fault on, tuned.
func (s *Server) BreakWith(f Fault, d Detail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[f] = &fault{Detail: d}
	if f == Down {
		s.stop()
	}
	if f == Crashed {
		for _, i := range s.instances {
			i.crashed = true
		}
	}
	s.change()
}

// Mend switches faults off; none named means all. Requests that hang for one
// of them go on.
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
			if err := s.listen(); err != nil {
				panic(err) // a test without its server proves nothing
			}
		}
	}
	s.change()
}

// on returns the fault's detail where it is switched on for the route, and
// counts the hit.
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

// strikes is on for a fault in the middle of an answer, of which so many pieces
// were sent.
func (s *Server) strikes(f Fault, sent int) (Detail, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.faults[f]
	if !ok || sent != max(x.After, 1) || f == NoEndMark && x.After == 0 {
		return Detail{}, false
	}
	return s.onLocked(f, Chats)
}

// lacksEnd reports whether an answer that was said in full has no end mark.
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

// hang blocks while the fault is on; false means that the client went away or
// the server closed.
func (s *Server) hang(ctx context.Context, f Fault) bool {
	return s.waitWhile(ctx, func() bool {
		_, on := s.faults[f]
		return on
	})
}
