package gateway

import (
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// Options say how requests are routed. The zero value is the default in all.
type Options struct {
	// Rules are those of the choice and of the queue.
	route.Rules
	// Roles are names that clients use in place of a model's: by role and node
	// the model that answers there. A node that a role doesn't name doesn't
	// take it. [route.Auto] needs no entry.
	Roles map[string]map[string]string
	// Strict: a request for a model that no serving node has is refused.
	// Otherwise a model of the cluster whose nodes are all out is answered for
	// by what serves instead. Embeddings are always strict.
	Strict bool
	// Wait is how long a request may wait for a node; 0 means 30 s. After it a
	// client is refused, with the time after which to come again.
	Wait time.Duration
	// FirstToken is how long an answer may take to begin, Answer how long one
	// that doesn't come in pieces, Between how long a stream may stand still.
	// For each, 0 means a limit that goes by the node's own recent latencies
	// and the length of the prompt. A node on which other requests move is
	// given longer in any case.
	FirstToken, Answer, Between time.Duration
	// Restart: a stream that can't be carried on by another node begins anew,
	// in place of ending in an error. A client asks for it, or against it,
	// with the header X-Jarvis-Restart.
	Restart bool
	// MaxBody bounds a request's body, in bytes; 0 means 64 MiB.
	MaxBody int64
	// Observer, where not nil, is told how each request went.
	Observer Observer
}

// filled fills the defaults in.
func (o Options) withDefaults() Options {
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	return o
}

// Observer is told how requests went. Its method is called from many
// goroutines, after the answer was handed on; it must not block.
type Observer interface{ Observe(Observation) }

// Observation is how one request of a client went.
type Observation struct {
	// API is the path that was asked: "/v1/chat/completions"; "other" for what
	// is none of the chat protocols'.
	API string
	// Node and Model are who served last, empty where nobody did.
	Node, Model string
	// Client is the name of the client's key, empty where it needed none.
	Client string
	// Status is the answer's.
	Status int
	// Stream: the answer came in pieces. Broken: it ended in an error after it
	// had begun. Left: the client went away before its end.
	Stream, Broken, Left bool
	// Attempts counts how often nodes were asked, 1 where all went well, and
	// Moves how often it was another node than before. Failures are the
	// attempts that failed by a node's fault, oldest first.
	Attempts, Moves int
	Failures        []route.Failure
	// Resumed counts how often another node carried the stream on, Restarted
	// how often one began it anew.
	Resumed, Restarted int
	// Queued is how long the request waited for a node, FirstToken how long
	// the answer took to begin (0 where it didn't), Total to end.
	Queued, FirstToken, Total time.Duration
	// PromptTokens and Tokens are the server's counts; where it gives none,
	// Tokens counts the pieces of a stream.
	PromptTokens, Tokens int
}

// Key lets a client in.
type Key struct {
	// Name tells whose it is.
	Name   string
	Secret nodes.Secret
	// AtOnce is how many requests it may have under way, PerMinute how many it
	// may begin in a minute; 0 is no limit.
	AtOnce, PerMinute int
}
