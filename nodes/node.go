package nodes

import (
	"context"
	"fmt"
	"time"
)

// Node is one server of the cluster: a backend with a name, the model it is
// meant to serve, and the means to restart it. Make one with [New]; the
// exported fields are not to be changed afterwards. Safe for concurrent use.
type Node struct {
	// Name is unique in the cluster.
	Name string
	// Engine is the engine's name in the config: "ollama".
	Engine string
	// Backend speaks to the server.
	Backend Backend
	// Wanted is the model the config asks for. An empty name means: whatever
	// is loaded is right.
	Wanted Model
	// Memory is what models may take, in bytes; 0 is unknown.
	Memory int64
	// Restarter restarts the server; nil where there is no way to.
	Restarter Restarter
	// OnDemand: the model is loaded by the first request and unloaded for
	// idleness, so that nothing loaded is no fault.
	OnDemand bool
	// ProbeTimeout bounds one probe; 0 means 5 s.
	ProbeTimeout time.Duration
	// LoadTimeout bounds one load; 0 means [LoadLimit] of the model's size.
	LoadTimeout time.Duration
	// UnloadTimeout bounds the wait for an acknowledged unload to show; 0 means
	// 20 s: engines wait for the requests under way first, and kill a runner
	// after that.
	UnloadTimeout time.Duration

	loading chan struct{} // holds a token while a load or unload is under way
}

// New checks n and makes it usable.
func New(n Node) (*Node, error) {
	switch {
	case n.Name == "":
		return nil, fmt.Errorf("a node without a name: give each node a name")
	case n.Backend == nil:
		return nil, fmt.Errorf("%s: no backend: choose an engine", n.Name)
	}
	if n.ProbeTimeout <= 0 {
		n.ProbeTimeout = 5 * time.Second
	}
	if n.UnloadTimeout <= 0 {
		n.UnloadTimeout = 20 * time.Second
	}
	n.loading = make(chan struct{}, 1)
	return &n, nil
}

// CanLoad reports whether the engine has a load of its own. A particular
// server may still be read-only: see [Snapshot.ReadOnly].
func (n *Node) CanLoad() bool {
	_, ok := n.Backend.(Loader)
	return ok
}

// Canonical returns the one spelling that stands for all of a model's names on
// this node's engine.
func (n *Node) Canonical(model string) string {
	if c, ok := n.Backend.(Canonicalizer); ok {
		return c.Canonical(model)
	}
	return model
}

// Same reports whether two names mean one model on this node.
func (n *Node) Same(a, b string) bool { return n.Canonical(a) == n.Canonical(b) }

// Probe asks the server what is on disk and what is loaded, within
// ProbeTimeout. Names in the snapshot are canonical.
func (n *Node) Probe(ctx context.Context) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, n.ProbeTimeout)
	defer cancel()
	s, err := n.Backend.Probe(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	for i := range s.OnDisk {
		s.OnDisk[i].Name = n.Canonical(s.OnDisk[i].Name)
	}
	for i := range s.Loaded {
		s.Loaded[i].Model = n.Canonical(s.Loaded[i].Model)
	}
	return s, nil
}

// Ask asks one question and counts only an answer: at least one token, from
// the model asked. Otherwise the error wraps [Empty] or [WrongModel], beside
// what the backend returns.
func (n *Node) Ask(ctx context.Context, req ChatRequest) (ChatReply, error) {
	reply, err := n.Backend.Chat(ctx, req)
	if err != nil {
		return reply, err
	}
	if reply.Tokens == 0 && reply.Text == "" && reply.Thinking == "" {
		return reply, &Error{Node: n.Name, Action: "chat", Fault: Empty, Detail: "0 tokens in a successful answer"}
	}
	if reply.Model != "" && !n.answersFor(reply.Model, req.Model) {
		return reply, &Error{
			Node: n.Name, Action: "chat", Fault: WrongModel,
			Detail: fmt.Sprintf("asked %q, %q answered", req.Model, reply.Model),
		}
	}
	return reply, nil
}

// answersFor reports whether an answer signed with got is one from want: the
// model, or an instance of it ("key:2").
func (n *Node) answersFor(got, want string) bool {
	return n.Same(got, want) || n.Same(instanceKey(got), instanceKey(want))
}

// instanceKey cuts a numeric instance suffix: "key:2" is "key", "llama3:8b"
// stays.
func instanceKey(id string) string {
	i := len(id)
	for i > 0 && id[i-1] >= '0' && id[i-1] <= '9' {
		i--
	}
	if i < len(id) && i > 1 && id[i-1] == ':' {
		return id[:i-1]
	}
	return id
}

// LoadLimit is how long a load of size bytes may take: two minutes, and 20 s
// for each GiB, at most an hour. A fixed limit fails the large model on the
// slow disk, which is the one that needs it. Unknown size (0): ten minutes.
func LoadLimit(size int64) time.Duration {
	if size <= 0 {
		return 10 * time.Minute
	}
	limit := 2*time.Minute + time.Duration(float64(size)/(1<<30)*20*float64(time.Second))
	return min(limit, time.Hour)
}
