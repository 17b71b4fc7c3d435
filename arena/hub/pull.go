package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/nodes"
)

// PullOptions configure [Pull] and [PullName].
type PullOptions struct {
	// FreeDisk is the free space on the node's disk, in bytes; 0 means unknown,
	// and is not checked.
	FreeDisk int64
	// Progress is called with the progress of the download, from the goroutine
	// of the caller; nil is not called.
	Progress func(nodes.Progress)
}

// Pulled is the result of a download.
type Pulled struct {
	// Asked is the model's name in the download, Name its name in a load, "" if
	// unknown.
	Asked, Name string
	// Already says that the model was on the node before.
	Already bool
}

// Pull has a node's engine download a model that [Client.Resolve] or
// [Client.Discover] chose. It refuses a model that does not fit the node's memory
// ([nodes.TooLarge]) or disk ([nodes.BadRequest]), and an engine that can't
// download ([nodes.ReadOnly]). It blocks until the model is on the node or ctx
// ends; some engines continue the download then. No model is loaded or unloaded.
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

// PullName has a node's engine download a model by the engine's own name, for
// models that are not on the hub. Their size is not checked.
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
		// The model is there; its name alone is unknown.
		if ctx.Err() != nil {
			return Pulled{Asked: name}, errors.Join(err, context.Cause(ctx))
		}
		return Pulled{Asked: name}, nil
	}
	return Pulled{Asked: name, Name: arrived(node, name, before, after)}, nil
}

// arrived returns the name of a downloaded model on the disk: the name in the
// download, or else the only new name, since LM Studio gives names of its own.
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
