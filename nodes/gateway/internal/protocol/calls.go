package chat

import "strings"

// calls puts the pieces of calls together.
type calls struct {
	list []*pending
	at   map[int]*pending // by the server's index
}

// pending is a call that may still grow.
type pending struct {
	id, name  string
	arguments strings.Builder
	written   int // how much of the arguments a writer has written
	begun     bool
	n         int // its place among the calls
}

// add takes a piece in, and returns the call that it belongs to.
func (c *calls) add(p CallPiece) *pending {
	call := c.at[p.Index]
	if call == nil || p.ID != "" && call.id != "" && p.ID != call.id {
		call = &pending{n: len(c.list)}
		c.list = append(c.list, call)
		if c.at == nil {
			c.at = make(map[int]*pending)
		}
		c.at[p.Index] = call
	}
	call.id, call.name = or(call.id, p.ID), or(call.name, p.Name)
	call.arguments.WriteString(p.Arguments)
	return call
}

// rest returns what of the arguments has not been written yet.
func (p *pending) rest() string {
	rest := p.arguments.String()[p.written:]
	p.written += len(rest)
	return rest
}

// ending puts right what some servers say at the end of an answer: that it
// just stopped, although it calls tools, or nothing at all.
func ending(finish Finish, calls int) Finish {
	if calls > 0 && (finish == "" || finish == Stopped) {
		return Calling
	}
	return or(finish, Stopped)
}

// identify gives an ID to calls of an answer that have none.
func identify(calls []Call) {
	for i := range calls {
		calls[i].ID = orNew(calls[i].ID, "call_")
	}
}
