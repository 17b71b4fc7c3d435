// Package checkup probes every node of a config once and reports problems with
// the line of the file that they come from.
package checkup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/engines"
)

// Finding is a result of the check of one node, or of what all nodes share.
type Finding struct {
	// Node is the node's name, "" for what all share.
	Node string
	// Wrong is false for a mere remark.
	Wrong bool
	// Where is "file:line:column" of Key, the key of the config that causes it.
	Where, Key string
	Text       string
}

// String is one line: "jarvis.yaml:7:5: M1: model: …".
func (f Finding) String() string {
	var b strings.Builder
	if f.Wrong && f.Where != "" {
		b.WriteString(f.Where + ": ")
	}
	if f.Node != "" {
		b.WriteString(f.Node + ": ")
	}
	if f.Wrong && f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Run checks all nodes concurrently and changes nothing. It returns what all share,
// and then at least one finding for each node, in the order of the config.
func Run(ctx context.Context, c *config.Config, set *nodes.Set) []Finding {
	all := make([][]Finding, 1+len(c.Nodes))
	outlooks, shared := outlooksOf(ctx, c, set)
	all[0] = shared
	var looks conc.WaitGroup
	for i, n := range c.Nodes {
		looks.Go(func() { all[1+i] = look(ctx, n, set.Get(n.Name), outlooks[i]) })
	}
	looks.Wait()
	return slices.Concat(all...)
}

// keyOf maps a fault to the key of the config that usually causes it.
var keyOf = map[nodes.Fault]string{
	nodes.Refused: "url", nodes.Unreachable: "url", nodes.TimedOut: "url",
	nodes.Unauthorized: "api_key", nodes.WrongEngine: "engine", nodes.Protocol: "engine",
	nodes.ModelNotFound: "model", nodes.TooLarge: "model",
}

func look(ctx context.Context, n config.Node, node *nodes.Node, o outlook) []Finding {
	wrong := func(key, format string, args ...any) Finding {
		return Finding{Node: n.Name, Wrong: true, Key: key, Where: n.Where(key), Text: fmt.Sprintf(format, args...)}
	}
	s, err := node.Probe(ctx)
	if err != nil {
		key := keyOf[nodes.FaultOf(err)]
		if key == "" {
			key = "url"
		}
		return append([]Finding{wrong(key, "%s", text(ctx, n, err))}, o.remarks(n)...)
	}
	list := append([]Finding{{Node: n.Name, Text: summary(n, s)}}, o.remarks(n)...)
	return append(list, about(n, node, s, o, wrong)...)
}

// text returns an error without the node's name, which is printed before it, and
// with the engine that was detected instead of the expected one.
func text(ctx context.Context, n config.Node, err error) string {
	var e *nodes.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	short := *e
	short.Node = ""
	said := strings.TrimLeft(short.Error(), ": ")
	if e.Fault != nodes.WrongEngine && e.Fault != nodes.Protocol {
		return said
	}
	if other, _, err := engines.Detect(ctx, n.URL, nil); err == nil && other != "" && other != n.Engine {
		return fmt.Sprintf("%s; it looks like engine: %s", said, other)
	}
	return said
}

func summary(n config.Node, s nodes.Snapshot) string {
	var loaded []string
	for _, inst := range s.Loaded {
		name := inst.ID
		if inst.Sleeping {
			name += " (asleep)"
		}
		loaded = append(loaded, name)
	}
	what := n.Engine
	if s.Version != "" {
		what += " " + s.Version
	}
	serving := "nothing loaded"
	switch {
	case s.LoadedUnknown:
		serving = "it doesn't tell what is loaded"
	case len(loaded) > 0:
		serving = strings.Join(loaded, ", ") + " loaded"
	}
	return fmt.Sprintf("%s answers in %d ms, %s", what, s.Latency.Milliseconds(), serving)
}

// about compares a node's snapshot with the model that it is meant to serve.
func about(n config.Node, node *nodes.Node, s nodes.Snapshot, o outlook, wrong func(key, format string, args ...any) Finding) []Finding {
	m := o.goal(s)
	if m.Name == "" {
		return nil
	}
	name := m.Name
	if o.Why == "" && n.Model.Name != "" {
		name = n.Model.Name // as the user wrote it
	}
	var list []Finding
	if s.OnDisk != nil {
		i := slices.IndexFunc(s.OnDisk, func(f nodes.File) bool { return node.Same(f.Name, m.Name) })
		switch {
		case i < 0:
			return append(list, wrong("model", "%q is not on the node's disk; %s", name, has(s)))
		case n.Memory > 0 && s.OnDisk[i].Size > n.Memory:
			list = append(list, wrong("memory", "%s takes %.1f GiB, more than the node's memory; choose a smaller model or quantization, or correct memory",
				name, float64(s.OnDisk[i].Size)/(1<<30)))
		}
	}
	if o.holder != "" {
		return list // what is loaded is the holder's work
	}
	return append(list, inMemory(n, node, s, o, m, name, wrong)...)
}

// inMemory compares what is loaded with the model, which the user knows by name.
func inMemory(n config.Node, node *nodes.Node, s nodes.Snapshot, o outlook, m nodes.Model, name string, wrong func(key, format string, args ...any) Finding) []Finding {
	loaded := slices.IndexFunc(s.Loaded, func(i nodes.Instance) bool { return node.Same(i.Model, m.Name) })
	can := node.CanLoad() && !s.ReadOnly
	switch {
	case s.LoadedUnknown && loaded < 0 && len(s.Loaded) > 0:
		return []Finding{wrong("model", "%q is not among what the server offers; %s", name, offers(s))}
	case loaded >= 0:
		unmet := m.Settings.Unmet(s.Loaded[loaded].Settings)
		if len(unmet) == 0 {
			return nil
		}
		return []Finding{{Node: n.Name, Text: "loaded with other settings: " + strings.Join(unmet, ", ") + "; " + o.ofSettings(can)}}
	case s.LoadedUnknown || n.OnDemand:
		return nil
	case !can:
		return []Finding{wrong("model", "%q is not loaded, and this server has no load; load it there", name)}
	}
	return []Finding{{Node: n.Name, Text: name + " is on disk and not loaded; " + o.ofMissing(s)}}
}

func has(s nodes.Snapshot) string {
	var names []string
	for _, f := range s.OnDisk {
		names = append(names, f.Name)
	}
	return listed("there are", names)
}

func offers(s nodes.Snapshot) string {
	var names []string
	for _, i := range s.Loaded {
		names = append(names, i.Model)
	}
	return listed("it offers", names)
}

func listed(verb string, names []string) string {
	const most = 8
	switch {
	case len(names) == 0:
		return "there is none; download one there"
	case len(names) > most:
		return fmt.Sprintf("%s %s and %d more", verb, strings.Join(names[:most], ", "), len(names)-most)
	}
	return verb + " " + strings.Join(names, ", ")
}
