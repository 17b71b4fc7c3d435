package nodes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// unloadPoll is how often the list is read until an unload shows.
const unloadPoll = 100 * time.Millisecond

// EnsureOptions are the options of [Node.Ensure].
type EnsureOptions struct {
	// Reload unloads the model even if it is loaded as wanted. It helps against a
	// runner that is listed and dead.
	Reload bool
}

// Ensure makes m, with its settings, the only model in the node's memory, and
// returns its instance. It blocks until the model is ready, and waits for other
// loads and unloads of the node to end first. The load may take LoadTimeout.
//
// Before it unloads anything, it refuses a model that can't be loaded: one that
// is not on disk ([ModelNotFound]), does not fit the node's memory ([TooLarge]),
// or has settings that the engine doesn't know ([BadRequest]). Then it unloads
// everything but m, sees that it is gone, and loads m, so that two models never
// share the memory for one. If m is loaded already, it stays; instances of m
// beyond the first are unloaded, newest first.
func (n *Node) Ensure(ctx context.Context, m Model, opts EnsureOptions) (Instance, error) {
	loader, ok := n.Backend.(Loader)
	if !ok {
		return Instance{}, n.fail("load", ReadOnly, "this engine can't load models", "load the model on the node itself")
	}
	if checker, ok := n.Backend.(SettingsChecker); ok {
		if err := checker.CheckSettings(m.Settings); err != nil {
			return Instance{}, err
		}
	}
	if err := n.lock(ctx, "load"); err != nil {
		return Instance{}, err
	}
	defer n.unlock()

	s, err := n.Probe(ctx)
	if err != nil {
		return Instance{}, err
	}
	keep, drop := n.sort(s, m, opts.Reload)
	if keep == nil {
		if s, err = n.rescanned(ctx, s, m); err != nil {
			return Instance{}, err
		}
		if err := n.Loadable(s, m); err != nil {
			return Instance{}, err
		}
	}
	if err := n.unload(ctx, loader, drop); err != nil {
		return Instance{}, err
	}
	if keep != nil {
		return *keep, nil
	}

	limit := n.LoadTimeout
	if limit <= 0 {
		limit = LoadLimit(fileOf(s, n.Canonical(m.Name)).Size)
	}
	loadCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	inst, err := loader.Load(loadCtx, m)
	if err != nil {
		if loadCtx.Err() != nil && ctx.Err() == nil && FaultOf(err) == "" {
			return Instance{}, n.fail("load", TimedOut, fmt.Sprintf("%s not loaded after %s", m.Name, limit), "")
		}
		return Instance{}, err
	}
	return n.onlyOne(ctx, loader, m, inst)
}

// rescanned returns s or, if m is not on disk by it and the server may have files
// that it does not know of, the snapshot after it has looked again.
func (n *Node) rescanned(ctx context.Context, s Snapshot, m Model) (Snapshot, error) {
	server, ok := n.Backend.(Rescanner)
	if !ok || s.ReadOnly || s.OnDisk == nil || s.has(n.Canonical(m.Name)) {
		return s, nil
	}
	if err := server.Rescan(ctx); err != nil {
		return s, err
	}
	return n.Probe(ctx)
}

// TrimExtras unloads the second and later instances of m, newest first, and
// returns their number. Other models stay, and one instance of m always stays.
// Like [Node.Ensure], it waits for other loads and unloads of the node.
func (n *Node) TrimExtras(ctx context.Context, m Model) (removed int, err error) {
	loader, ok := n.Backend.(Loader)
	if !ok {
		return 0, n.fail("unload", ReadOnly, "this engine can't unload models", "")
	}
	if err := n.lock(ctx, "unload"); err != nil {
		return 0, err
	}
	defer n.unlock()
	s, err := n.Probe(ctx)
	if err != nil {
		return 0, err
	}
	keep, drop := n.sort(s, m, false)
	if keep == nil {
		return 0, nil
	}
	drop = slices.DeleteFunc(drop, func(i Instance) bool { return !n.Same(i.Model, m.Name) })
	return len(drop), n.unload(ctx, loader, drop)
}

// sort returns the instance to keep, or nil, and the instances to unload, newest
// first.
func (n *Node) sort(s Snapshot, m Model, reload bool) (keep *Instance, drop []Instance) {
	for _, inst := range s.Loaded {
		if keep == nil && !reload && !inst.Stopping && !inst.Loading && n.serves(inst, m, s) {
			keep = &inst
			continue
		}
		drop = append(drop, inst)
	}
	slices.Reverse(drop)
	return keep, drop
}

// serves reports whether inst is m with its settings, loaded from the file that
// is on disk now.
func (n *Node) serves(inst Instance, m Model, s Snapshot) bool {
	if !n.Same(inst.Model, m.Name) || len(m.Settings.Unmet(inst.Settings)) > 0 {
		return false
	}
	file := fileOf(s, n.Canonical(m.Name))
	return inst.Digest == "" || file.Digest == "" || inst.Digest == file.Digest
}

func fileOf(s Snapshot, name string) File {
	for _, f := range s.OnDisk {
		if f.Name == name {
			return f
		}
	}
	return File{}
}

// Loadable returns an error if, by the snapshot of a probe, a load of m must
// fail: the server can't load ([ReadOnly]), the model isn't on disk
// ([ModelNotFound]), or its file is larger than the node's memory ([TooLarge]).
// It makes no request.
func (n *Node) Loadable(s Snapshot, m Model) error {
	if s.ReadOnly {
		return n.fail("load", ReadOnly, "this server can't load models", "load the model on the node itself, or by its restart command")
	}
	if s.OnDisk == nil {
		return nil
	}
	name := n.Canonical(m.Name)
	if !s.has(name) {
		remedy := "name another, or download it there"
		if _, ok := n.Backend.(Rescanner); ok {
			remedy = "name another, download it there, or put its file into the server's folder, which the next load looks into"
		}
		return n.fail("load", ModelNotFound, fmt.Sprintf("%q is not on the node's disk; %s", m.Name, listed(s.OnDisk)), remedy)
	}
	if f := fileOf(s, name); n.Memory > 0 && f.Size > n.Memory {
		return n.fail("load", TooLarge,
			fmt.Sprintf("%s takes %s, the node has %s", m.Name, gib(f.Size), gib(n.Memory)),
			"choose a smaller model or quantization, or correct the node's memory")
	}
	return nil
}

// listedModels is how many models of a disk an error names.
const listedModels = 10

func listed(files []File) string {
	var names []string
	for _, f := range files[:min(len(files), listedModels)] {
		names = append(names, f.Name)
	}
	switch more := len(files) - len(names); {
	case len(names) == 0:
		return "none is there"
	case more > 0:
		return fmt.Sprintf("there are %s and %d more", strings.Join(names, ", "), more)
	}
	return "there are " + strings.Join(names, ", ")
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// unload unloads the instances and blocks until none of them is listed.
func (n *Node) unload(ctx context.Context, loader Loader, drop []Instance) error {
	if len(drop) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, n.UnloadTimeout)
	defer cancel()
	for _, inst := range drop {
		if err := loader.Unload(limited, inst.ID); err != nil && !errors.Is(err, ModelNotFound) && !errors.Is(err, NotLoaded) {
			return err
		}
	}
	tick := time.NewTicker(unloadPoll)
	defer tick.Stop()
	var seen bool // a list was read, with one of them in it
	for {
		s, err := n.Probe(limited)
		if err == nil {
			if !slices.ContainsFunc(s.Loaded, func(i Instance) bool {
				return slices.ContainsFunc(drop, func(d Instance) bool {
					// Another client's request may have loaded it again meanwhile.
					return d.ID == i.ID && (d.Process == "" || i.Process == "" || d.Process == i.Process)
				})
			}) {
				return nil
			}
			seen = true
		}
		select {
		case <-limited.Done():
			switch {
			case errors.Is(ctx.Err(), context.Canceled):
				return fmt.Errorf("%s: unload: waiting for the instance to go: %w", n.Name, ctx.Err())
			case !seen:
				return err
			}
			return n.fail("unload", UnloadStuck, fmt.Sprintf("still listed after %s", n.UnloadTimeout), "restart the server")
		case <-tick.C:
		}
	}
}

// onlyOne returns the loaded instance as the server lists it, and unloads every
// other instance.
func (n *Node) onlyOne(ctx context.Context, loader Loader, m Model, loaded Instance) (Instance, error) {
	s, err := n.Probe(ctx)
	if err != nil {
		return Instance{}, err
	}
	var keep *Instance
	var extra []Instance
	for _, inst := range s.Loaded {
		if keep == nil && n.Same(inst.Model, m.Name) && (loaded.ID == "" || inst.ID == loaded.ID || n.Same(inst.ID, loaded.ID)) {
			keep = &inst
			continue
		}
		extra = append(extra, inst)
	}
	if keep == nil {
		return Instance{}, n.fail("load", LoadFailed, fmt.Sprintf("%s was reported loaded and is not listed", m.Name), "see the engine's own log")
	}
	slices.Reverse(extra)
	return *keep, n.unload(ctx, loader, extra)
}

func (n *Node) lock(ctx context.Context, action string) error {
	select {
	case n.loading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: waiting for another load: %w", n.Name, action, ctx.Err())
	}
}

func (n *Node) unlock() { <-n.loading }

func (n *Node) fail(action string, f Fault, detail, remedy string) error {
	return &Error{Node: n.Name, Action: action, Fault: f, Detail: detail, Remedy: remedy}
}
