package gateway

import (
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// Options are the settings of a [Transport] or a [Gateway]. The zero value of
// each field is its default.
type Options struct {
	// Rules are the settings of the choice of a node and of the queue.
	route.Rules
	// Roles are names that clients use in place of a model's name: for each
	// role, the model that answers on each node, by the node's name. A node
	// that a role doesn't name doesn't answer for it. [route.Auto] needs no
	// entry.
	Roles map[string]map[string]string
	// Strict: a request for a model that no serving node has is refused. By
	// default, if all nodes of the model are out of the route, another model
	// answers. Requests for embeddings are always strict.
	Strict bool
	// Wait is the longest time that a request waits for a node; 0 means 30 s.
	// Then it is refused with status 429 or 503.
	Wait time.Duration
	// Again is how often a node that failed is tried again before the others. A
	// node that is silent, or can't be reached, is not.
	Again int
	// FirstToken is the longest time to the first token of a stream, Answer the
	// longest time to a response that is not streamed, Between the longest
	// pause inside a stream. For each, 0 means a limit derived from the node's
	// recent latencies and the size of the request. While other requests on the
	// node receive tokens, the limit is extended.
	FirstToken, Answer, Between time.Duration
	// Restart: a stream that no node can continue begins again on another node.
	// By default it ends in an error. A client overrides this with the header
	// X-Jarvis-Restart.
	Restart bool
	// KeepClientSettings: what a client asks for by Ollama's APIs that makes the
	// engine load its model again, or unload it (num_ctx, keep_alive and the
	// like), is passed on. By default it is taken out, because the model is
	// everybody's; [HeaderDropped] of the response tells what was.
	KeepClientSettings bool
	// MaxBody is the greatest size of a request's body, in bytes; 0 means
	// 64 MiB.
	MaxBody int64
	// Origins are the origins of the web pages that may use a [Gateway], such as
	// "https://chat.example"; [AnyOrigin] allows all. If the gateway has no
	// keys, cross-site requests of others are refused with status 403.
	Origins []string
	// Observer receives the outcome of each request; nil means none does.
	Observer Observer
}

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	if o.Wait == 0 {
		o.Wait = 30 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	return o
}

// Observer receives the outcomes of requests. Observe is called from many
// goroutines, after the response was sent, and must not block.
type Observer interface{ Observe(Observation) }

// Observation is the outcome of one request of a client.
type Observation struct {
	// API is the path of the request, such as "/v1/chat/completions"; "other"
	// for a path of no known API.
	API string
	// Node and Model are the node that served last and its model, empty where
	// no node did.
	Node, Model string
	// Client is the name of the client's key, empty where it needed none.
	Client string
	// Status is the HTTP status of the response.
	Status int
	// Stream: the response was streamed. Broken: it ended in an error after it
	// had begun. Left: the client went away before its end.
	Stream, Broken, Left bool
	// Attempts is the number of requests to nodes, 1 for a smooth request.
	// Moves is the number of attempts on another node than the attempt before.
	// Failures are the attempts that failed by a node's fault, oldest first.
	Attempts, Moves int
	Failures        []route.Failure
	// Resumed is the number of times that another node continued the stream,
	// Restarted the number of times that one began it again.
	Resumed, Restarted int
	// Queued is the time that the request waited for a node, FirstToken the
	// time until the response began (0 where it didn't), Total the time to its
	// end.
	Queued, FirstToken, Total time.Duration
	// PromptTokens and Tokens are the token counts of the server. Without
	// them, Tokens is the number of text frames of the stream.
	PromptTokens, Tokens int
}

// Key is an API key of a client.
type Key struct {
	// Name identifies the client in logs, metrics and error texts.
	Name string
	// Secret is the key itself.
	Secret nodes.Secret
	// AtOnce is the greatest number of requests in flight, PerMinute the
	// greatest number of requests begun in a minute; 0 means no limit.
	AtOnce, PerMinute int
}
