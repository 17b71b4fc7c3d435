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

// DefaultWatch is the number of real answers for which a promoted model is
// watched.
const DefaultWatch = 20

// StateFile is the healer's state file for other processes: a tournament writes
// into it which model a node must serve. A running healer reads the change within
// a second, and before its next decision about the node; otherwise it is read at
// the next start.
//
// Each method that writes holds a lock shared by all processes, and blocks for at
// most ten seconds for it. When it returns, the change survives a crash. Safe for
// concurrent use.
type StateFile struct{ medium medium }

// OpenState returns the state file of that path. The first write creates the file;
// its folder must exist. With an empty path nothing is kept: [StateFile.Serving]
// returns the config's model, and the other methods [ErrNoState].
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
	k, err := f.Kept(ctx, node)
	return k.Serving, k.Serving.Name != "", err
}

// Kept is what a healer that starts takes over of a node.
type Kept struct {
	// Serving is the model of [StateFile.Serving]. An empty name means that
	// whatever is loaded is right.
	Serving nodes.Model
	// Why is the Override reason for which Serving is in place of the config's
	// model, "" where it is not.
	Why string
	// LastKnownGood is the latest model that was verified and then stayed healthy.
	LastKnownGood *nodes.Model
	// Restore is the note of [StateFile.Remember].
	Restore *Note
	// Paused is the pause of the node's repairs, nil for none.
	Paused *Pause
}

// Kept returns what is kept of a node. It writes nothing and waits for no lock.
// Without a state file it is the config's model alone.
func (f *StateFile) Kept(ctx context.Context, node *nodes.Node) (Kept, error) {
	list, err := f.load(ctx)
	if err != nil {
		return Kept{}, err
	}
	now := time.Now()
	n := newNodeState(node)
	n.kept = list[node.Name]
	n.dropOld(now)
	k := Kept{Serving: n.meant(), LastKnownGood: n.kept.LastKnownGood, Restore: n.kept.Restore, Paused: n.kept.Paused}
	if n.kept.Override != nil {
		k.Why = n.kept.Override.Why
	}
	if k.Paused != nil && k.Paused.ended(now) {
		k.Paused = nil
	}
	return k, nil
}

// Remember notes the model that must be on the node again when the holder of its
// lease is gone; nil deletes the note. A tournament writes it, under the node's
// lease, before it unloads anything. If the lease becomes free and the note is
// still there, the healer restores that model and deletes the note.
func (f *StateFile) Remember(ctx context.Context, node *nodes.Node, m *nodes.Model) error {
	return f.change(ctx, node, func(k *persisted) {
		k.Restore = nil
		if m != nil {
			k.Restore = &Note{*m, time.Now()}
		}
	})
}

// Promote makes a model the one that the node is meant to serve, until the config
// asks for another model than now, and deletes the note of Remember. The first
// real answers are watched, see [nodes.Promotion].
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
	// Noted is the time of the note. It distinguishes notes of the same model.
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

// load reads the whole state; a missing one is empty. An unreadable one is an error: a healer sets it
// aside, but a tournament must not begin without it.
func (f *StateFile) load(ctx context.Context) (map[string]persisted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.medium == nil {
		return nil, nil
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

// common is the part of a node's persisted state that other processes also write.
type common struct {
	Override *Override `json:"override,omitempty"`
	Trial    *Trial    `json:"trial,omitempty"`
	Restore  *Note     `json:"restore,omitempty"`
}

// commons returns the common part of each node, as a text to compare by. Nodes
// without one are left out.
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
