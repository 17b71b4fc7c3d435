package healer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// ErrNoState means that no state is kept, so that nothing can be remembered.
var ErrNoState = errors.New("no state is kept")

// DefaultWatch is how many real answers a promoted model is watched for.
const DefaultWatch = 20

// StateFile is the healer's state file as other processes use it: a tournament
// notes there what a node must serve. A healer that runs takes over what is
// written within a second, and before it decides anything about the node; one
// that doesn't run takes it over at its next start.
//
// Each method reads and writes the file at once, under a lock that all
// processes share, and blocks for that, at most for some seconds. A write
// survives a crash when the method returns. Safe for concurrent use.
type StateFile struct{ medium medium }

// OpenState names the file. It is made by the first write; its folder must be
// there. With an empty path nothing is remembered: [StateFile.Serving] returns
// the config's model, the others [ErrNoState].
func OpenState(path string) *StateFile {
	if path == "" {
		return &StateFile{}
	}
	return &StateFile{file{path}}
}

// Serving returns the model that the node is meant to serve: the one that
// serves in place of the config's, while the config still asks for what that
// replaced; else the config's; else the one that a tournament remembered. ok is
// false where none of them is known, and whatever is loaded is right.
func (f *StateFile) Serving(ctx context.Context, node *nodes.Node) (m nodes.Model, ok bool, err error) {
	var k persisted
	if f.medium != nil {
		list, err := f.load(ctx)
		if err != nil {
			return nodes.Model{}, false, err
		}
		k = list[node.Name]
	}
	n := newNodeState(node)
	n.kept = k
	n.dropOld(time.Time{})
	m = n.meant()
	return m, m.Name != "", nil
}

// Remember notes which model must be on the node again when whoever holds its
// lease is gone; nil forgets it. A tournament writes it, under the node's
// lease, before it unloads anything; the healer restores that model if the
// lease comes free and the note is still there, and forgets it then.
func (f *StateFile) Remember(ctx context.Context, node *nodes.Node, m *nodes.Model) error {
	return f.change(ctx, node, func(k *persisted) {
		k.Restore = nil
		if m != nil {
			k.Restore = &Note{*m, time.Now()}
		}
	})
}

// Promote makes a model the one that the node is meant to serve, until the
// config asks for another than it does now, and forgets what was to be
// restored. The first real answers are watched, see [nodes.Promotion].
func (f *StateFile) Promote(ctx context.Context, node *nodes.Node, p nodes.Promotion) error {
	replaces := node.Wanted
	replaces.Name = node.Canonical(replaces.Name)
	now := time.Now()
	return f.change(ctx, node, func(k *persisted) {
		k.Restore, k.Trial = nil, nil
		k.Override = &Override{Model: p.Model, Why: OverridePromoted, Replaces: replaces, Run: p.Run}
		k.Override.Name = node.Canonical(p.Model.Name)
		if p.Previous.Name != "" {
			previous := p.Previous
			previous.Name = node.Canonical(previous.Name)
			k.Override.Previous = &previous
		}
		if p.Watch >= 0 {
			k.Trial = &Trial{Since: now, FirstToken: p.FirstToken, ErrorRate: p.ErrorRate, Watch: p.Watch}
			if p.Watch == 0 {
				k.Trial.Watch = DefaultWatch
			}
		}
	})
}

// Note is a model that must be on a node again.
type Note struct {
	nodes.Model
	// Noted is when, which tells one note from another of the same model.
	Noted time.Time `json:"noted"`
}

// change rewrites what is kept of a node.
func (f *StateFile) change(ctx context.Context, node *nodes.Node, edit func(*persisted)) (err error) {
	if f.medium == nil {
		return fmt.Errorf("%s: %w", node.Name, ErrNoState)
	}
	unlock, err := f.medium.lock(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", node.Name, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	list, err := f.load(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", node.Name, err)
	}
	if list == nil {
		list = map[string]persisted{}
	}
	k := list[node.Name]
	edit(&k)
	list[node.Name] = k
	if k.empty() {
		delete(list, node.Name)
	}
	content, err := formatState(list)
	if err != nil {
		return err
	}
	return f.medium.write(content)
}

// load reads the whole state. One that is unreadable is an error: the healer
// sets it aside, and a tournament must not begin without one.
func (f *StateFile) load(ctx context.Context) (map[string]persisted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	content, err := f.medium.read()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state file: %w; check its path and permissions", err)
	}
	list, err := parseState(content)
	if err != nil {
		return nil, fmt.Errorf("the state file is unreadable: %w; a healer that starts sets it aside", err)
	}
	return list, nil
}

// common is the part of a node's kept state that other processes write, too.
type common struct {
	Override *Override `json:"override,omitempty"`
	Trial    *Trial    `json:"trial,omitempty"`
	Restore  *Note     `json:"restore,omitempty"`
}

// commons are the common parts of a state, each as a text to compare by; nodes
// that have none are left out.
func commons(list map[string]persisted) map[string]string {
	texts := map[string]string{}
	for name, k := range list {
		if k.Override == nil && k.Trial == nil && k.Restore == nil {
			continue
		}
		// Twice: what was read from JSON is written in one way only, while the
		// healer's own values may hold other types of numbers.
		first, err := json.Marshal(common{k.Override, k.Trial, k.Restore})
		var again common
		if err == nil && json.Unmarshal(first, &again) == nil {
			if second, err := json.Marshal(again); err == nil {
				first = second
			}
		}
		texts[name] = string(first)
	}
	return texts
}
