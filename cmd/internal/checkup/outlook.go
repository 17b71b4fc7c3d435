package checkup

import (
	"context"
	"fmt"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/console"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/nodes"
)

// outlook is what decides, beside the config, what a healer would do with a node.
type outlook struct {
	healer.Kept
	holder   string             // of its lease, "" for none
	cutShort []arena.Unfinished // tournaments
	adopts   bool               // another model that is loaded is adopted
}

// outlooksOf returns the outlook of each node of the config. What can't be read is
// a finding, and is left out.
func outlooksOf(ctx context.Context, c *config.Config, set *nodes.Set) (list []outlook, findings []Finding) {
	state, none := healer.OpenState(c.Healer.State), healer.OpenState("")
	if _, err := state.Kept(ctx, set.At(0)); err != nil {
		findings = append(findings, Finding{Wrong: true, Text: err.Error() + "; going on without it"})
		state = none
	}
	leases, err := daemon.Leases(c.Healer.State)
	if err != nil {
		findings = append(findings, Finding{Wrong: true, Text: err.Error()})
		leases = &nodes.MemoryLeases{}
	}
	list = make([]outlook, len(c.Nodes))
	for i, n := range c.Nodes {
		o, node := &list[i], set.Get(n.Name)
		o.adopts = c.Healer.Policy.AdoptDrift
		if o.Kept, err = state.Kept(ctx, node); err != nil { // unreadable since
			o.Kept, _ = none.Kept(ctx, node)
		}
		switch h, held, err := leases.Holder(ctx, n.Name); {
		case err != nil:
			findings = append(findings, Finding{Wrong: true, Text: err.Error()})
		case held:
			o.holder = h.String()
		}
	}
	return list, append(findings, addSessions(list, c)...)
}

// addSessions adds the tournaments that were cut short. One on a node that is
// leased may be under way.
func addSessions(list []outlook, c *config.Config) (findings []Finding) {
	sessions, err := arena.ReadUnfinished(c.SessionDir())
	if err != nil {
		return []Finding{{Wrong: true, Text: err.Error()}}
	}
	places := map[string]int{}
	for i, n := range c.Nodes {
		places[n.Name] = i
	}
	for _, s := range sessions {
		i, known := places[s.Node]
		switch {
		case s.Err != nil:
			findings = append(findings, Finding{Text: s.Err.Error()})
		case !known:
			findings = append(findings, Finding{Text: fmt.Sprintf("a tournament on %s was cut short, and no such node is configured", s.Node)})
		case list[i].holder == "":
			list[i].cutShort = append(list[i].cutShort, s)
		}
	}
	return findings
}

// remarks tells what the config does not show.
func (o outlook) remarks(n config.Node) (list []Finding) {
	remark := func(format string, args ...any) {
		list = append(list, Finding{Node: n.Name, Text: fmt.Sprintf(format, args...)})
	}
	if o.holder != "" {
		remark("leased by %s; the healer leaves it alone meanwhile", healer.OneLine(o.holder))
	}
	switch {
	case o.Why != "" && n.Model.Name != "":
		remark("%s is wanted in place of %s: %s", o.Serving.Name, n.Model.Name, o.Why)
	case o.Why != "":
		remark("%s is wanted: %s", o.Serving.Name, o.Why)
	}
	if o.Paused != nil {
		remark("%s", console.Paused(o.Paused, time.Now()))
	}
	for _, s := range o.cutShort {
		of := s.Candidate.Name
		if of == "" {
			of = "several models"
		}
		remark("a tournament of %s was cut short after %d tests of all; `jarvis-arena --resume` goes on with it", of, s.Tests)
	}
	return list
}

// goal returns the model that the node should serve now, without a name if any will
// do.
func (o outlook) goal(s nodes.Snapshot) nodes.Model {
	if o.Serving.Name == "" && len(s.Loaded) == 0 && o.LastKnownGood != nil {
		return *o.LastKnownGood
	}
	return o.Serving
}

// ofMissing returns what the healer does about a model that is not loaded.
func (o outlook) ofMissing(s nodes.Snapshot) string {
	switch {
	case o.adopts && len(s.Loaded) > 0:
		return fmt.Sprintf("the healer adopts %s", s.Loaded[0].Model)
	case o.Paused != nil:
		return "the healer loads it when repairs are resumed"
	}
	return "the healer loads it"
}

// ofSettings returns what the healer does about other settings. Those left behind
// by a tournament that was killed are no other client's doing.
func (o outlook) ofSettings(canLoad bool) string {
	switch {
	case o.Restore == nil || !canLoad:
		return "the healer says so, and does not load it again"
	case o.Paused != nil:
		return "the healer loads it again when repairs are resumed"
	}
	return "the healer loads it again"
}
