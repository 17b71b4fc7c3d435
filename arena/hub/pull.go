package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/nodes"
)

// PullOptions change what [Pull] does.
type PullOptions struct {
	// FreeDisk is what the node's disk has left, in bytes; 0 is unknown, and
	// not checked.
	FreeDisk int64
	// Progress is told of the download where it is not nil, from Pull's own
	// goroutine.
	Progress func(nodes.Progress)
}

// Pulled is what a download left on the node.
type Pulled struct {
	// Asked is the name by which the engine downloaded it, Name that by which
	// it loads it; "" where the engine doesn't tell.
	Asked, Name string
	// Already says that it was there before.
	Already bool
}

// Pull has a node's engine download a model that was chosen by
// [Client.Resolve] or [Client.Discover]. What is known to fail is refused
// before: too little memory ([nodes.TooLarge]) or disk, an engine that can't
// download. It blocks until the model is there or ctx ends; what ctx cut off goes
// on in some engines. What is loaded on the node stays loaded.
func Pull(ctx context.Context, node *nodes.Node, m Model, o PullOptions) (Pulled, error) {
	name, err := EngineName(node.Engine, m.Repository, m.File)
	if err != nil {
		return Pulled{}, &nodes.Error{Node: node.Name, Action: "download", Fault: nodes.ReadOnly, Err: err}
	}
	if node.Memory > 0 && max(m.Needs, m.File.Size) > node.Memory {
		return Pulled{}, &nodes.Error{
			Node: node.Name, Action: "download", Fault: nodes.TooLarge,
			Detail: fmt.Sprintf("%s would take about %s, the node has %s", name, gib(max(m.Needs, m.File.Size)), gib(node.Memory)),
			Remedy: "choose a smaller quantization or context, or correct the node's memory",
		}
	}
	if o.FreeDisk > 0 && m.File.Size > o.FreeDisk {
		return Pulled{}, &nodes.Error{
			Node: node.Name, Action: "download", Fault: nodes.BadRequest,
			Detail: fmt.Sprintf("%s has %s, the disk has %s left", name, gib(m.File.Size), gib(o.FreeDisk)),
			Remedy: "make room on the node's disk, or choose a smaller quantization",
		}
	}
	pulled, err := PullName(ctx, node, name, o)
	if err != nil && m.Gated != "" {
		return pulled, fmt.Errorf("%w; %s is gated: accept its terms on its page, and give the node's engine a token of that account", err, m.Repository)
	}
	if err != nil && m.Private {
		return pulled, fmt.Errorf("%w; %s is private: the node's engine needs a token that may read it", err, m.Repository)
	}
	return pulled, err
}

// PullName has a node's engine download a model by the engine's own name for
// it, for models that are not on the hub. Nothing is known of their size before.
func PullName(ctx context.Context, node *nodes.Node, name string, o PullOptions) (Pulled, error) {
	downloader, ok := node.Backend.(nodes.Downloader)
	if !ok {
		return Pulled{}, &nodes.Error{
			Node: node.Name, Action: "download", Fault: nodes.ReadOnly,
			Detail: "this engine downloads no models", Remedy: "put " + name + " on the node by hand",
		}
	}
	before, err := node.Probe(ctx)
	if err != nil {
		return Pulled{}, err
	}
	if slices.ContainsFunc(before.OnDisk, func(f nodes.File) bool { return f.Name == node.Canonical(name) }) {
		return Pulled{Asked: name, Name: name, Already: true}, nil
	}
	if err := downloader.Download(ctx, name, o.Progress); err != nil {
		return Pulled{Asked: name}, err
	}
	after, err := node.Probe(ctx)
	if err != nil {
		// It is there; only its name isn't known.
		if ctx.Err() != nil {
			return Pulled{Asked: name}, errors.Join(err, context.Cause(ctx))
		}
		return Pulled{Asked: name}, nil
	}
	return Pulled{Asked: name, Name: arrived(node, name, before, after)}, nil
}

// arrived is the name under which a model lies on the disk: the one it was
// asked by, or the only one that is new. LM Studio gives its own names.
func arrived(node *nodes.Node, asked string, before, after nodes.Snapshot) string {
	had := map[string]bool{}
	for _, f := range before.OnDisk {
		had[f.Name] = true
	}
	var fresh []string
	for _, f := range after.OnDisk {
		if f.Name == node.Canonical(asked) {
			return asked
		}
		if !had[f.Name] {
			fresh = append(fresh, f.Name)
		}
	}
	if len(fresh) == 1 {
		return fresh[0]
	}
	return ""
}
