package nodes

import (
	"context"
	"fmt"
	"time"
)

// Node is one server of the cluster: a backend with a name, the model to serve,
// and the means to restart it. [New] makes one; its fields must not be changed
// afterwards. It is safe for concurrent use.
type Node struct {
	// Name is unique in the cluster.
	Name string
	// Engine is the engine's name, such as "ollama". It is for people.
	Engine string
	// Backend is the client of the server.
	Backend Backend
	// Wanted is the model to serve. An empty name accepts whatever is loaded.
	Wanted Model
	// Memory is the memory for models, in bytes. 0 is unknown.
	Memory int64
	// Restarter restarts the server. Nil means that nothing can.
	Restarter Restarter
	// OnDemand is set where the first request loads the model and the server
	// unloads it when it is idle. Then a node without a loaded model is healthy.
	OnDemand bool
	// ProbeTimeout bounds one probe. 0 means 5 s.
	ProbeTimeout time.Duration
	// LoadTimeout bounds one load. 0 means [LoadLimit] of the model's size.
	LoadTimeout time.Duration
	// UnloadTimeout bounds the wait for an acknowledged unload to take effect. 0
	// means 20 s: engines let the requests under way end first, and then kill a
	// runner.
	UnloadTimeout time.Duration

	loading chan struct{} // holds a token while a load or unload is under way
}

// New returns a node made of n, with the defaults filled in. It is an error if n
// lacks its name or backend, or has a negative time-out.
func New(n Node) (*Node, error) {
	switch {
	case n.Name == "":
		return nil, fmt.Errorf("a node without a name")
	case n.Backend == nil:
		return nil, fmt.Errorf("%s: a node without a backend", n.Name)
	case min(n.ProbeTimeout, n.LoadTimeout, n.UnloadTimeout) < 0:
		return nil, fmt.Errorf("%s: a negative time-out", n.Name)
	}
	if n.ProbeTimeout == 0 {
		n.ProbeTimeout = 5 * time.Second
	}
	if n.UnloadTimeout == 0 {
		n.UnloadTimeout = 20 * time.Second
	}
	n.loading = make(chan struct{}, 1)
	return &n, nil
}

// CanLoad reports whether the engine can load models. A particular server may
// still be read-only, see [Snapshot.ReadOnly].
func (n *Node) CanLoad() bool {
	_, ok := n.Backend.(Loader)
	return ok
}

// Canonical returns the canonical spelling of a model's name on this node.
func (n *Node) Canonical(model string) string {
	if c, ok := n.Backend.(Canonicalizer); ok {
		return c.Canonical(model)
	}
	return model
}

// Same reports whether two names refer to the same model on this node.
func (n *Node) Same(a, b string) bool { return n.Canonical(a) == n.Canonical(b) }

// Probe returns what is on the server's disk and what is loaded, within
// ProbeTimeout. The names in the snapshot are canonical.
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

// Ask asks one question, as [Backend.Chat] does, and makes sure of the answer:
// without a token the error wraps [Empty], and from another model than the one
// asked [WrongModel].
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

// answersFor reports whether got, the name in an answer, is the model want or
// an instance of it ("key:2").
func (n *Node) answersFor(got, want string) bool {
	return n.Same(got, want) || n.Same(instanceKey(got), instanceKey(want))
}

// instanceKey removes the number of an instance: "key:2" is "key", and
// "llama3:8b" stays.
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

// LoadLimit returns the time limit for a load of size bytes: two minutes and 20 s
// for each GiB, at most an hour, and ten minutes for an unknown size (0). A fixed
// limit would fail large models on slow disks.
func LoadLimit(size int64) time.Duration {
	if size <= 0 {
		return 10 * time.Minute
	}
	limit := 2*time.Minute + time.Duration(float64(size)/(1<<30)*20*float64(time.Second))
	return min(limit, time.Hour)
}
