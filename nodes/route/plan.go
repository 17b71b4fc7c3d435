package route

import (
	"sync"

	"github.com/turbone/jarvis/nodes"
)

// plan is who can answer for a model's name, and as what.
type plan struct {
	fits   []fit
	models []string // that the node is asked for
}

// served is what a node has to do with models.
type served struct {
	node *nodes.Node
	// model is what it serves now, wanted what it is meant to.
	model, wanted string
	// asked: it can be asked by the API.
	asked bool
}

// planFor says who can answer for a name. [Auto] and the empty name are
// whatever a node serves; a role is what the config says; another name is the
// model of the nodes that serve it, and, if not strict, of no matter whom while
// they are out. What no node of the cluster is meant to serve may still be on
// the disk of one: each may be asked.
func planFor(name string, list []served, roles map[string]map[string]string, strict bool) plan {
	p := plan{fits: make([]fit, len(list)), models: make([]string, len(list))}
	role, isRole := roles[name]
	known := false
	for _, s := range list {
		known = known || s.node.Same(name, s.model) || s.node.Same(name, s.wanted)
	}
	for i, s := range list {
		switch {
		case !s.asked:
		case name == "" || name == Auto:
			p.fits[i], p.models[i] = exact, s.model
		case isRole:
			if model, ok := role[s.node.Name]; ok {
				p.fits[i], p.models[i] = exact, model
			}
		case !known, s.node.Same(name, s.model):
			p.fits[i], p.models[i] = exact, name
		case !strict && s.model != "":
			p.fits[i], p.models[i] = standIn, s.model
		}
		if p.models[i] == "" {
			p.models[i] = name
		}
	}
	return p
}

// mostPlans bounds what is remembered: names come from clients.
const mostPlans = 1024

// plans remembers plans until what the nodes serve changes.
type plans struct {
	mu      sync.Mutex
	version uint64
	known   map[planKey]plan
}

type planKey struct{ api, model string }

// plan returns who can answer a request.
func (f *forwarder) plan(a *ask) plan {
	key := planKey{a.path, a.model}
	version := f.version()
	f.plans.mu.Lock()
	if f.plans.version != version || f.plans.known == nil {
		f.plans.known, f.plans.version = map[planKey]plan{}, version
	}
	p, ok := f.plans.known[key]
	f.plans.mu.Unlock()
	if ok {
		return p
	}
	p = planFor(a.model, f.served(a.api), f.options.Roles, f.options.Strict || a.strict)
	f.plans.mu.Lock()
	defer f.plans.mu.Unlock()
	if f.plans.version == version && len(f.plans.known) < mostPlans {
		f.plans.known[key] = p
	}
	return p
}

// version changes when a plan may.
func (f *forwarder) version() uint64 {
	f.table.mu.Lock()
	defer f.table.mu.Unlock()
	return f.table.models
}

func (f *forwarder) served(a *api) []served {
	list := make([]served, len(f.ends))
	f.table.mu.Lock()
	for i, l := range f.table.lines {
		list[i] = served{node: l.node, model: l.model, wanted: l.node.Canonical(l.node.Wanted.Name)}
	}
	f.table.mu.Unlock()
	for i, e := range f.ends {
		if e != nil {
			_, _, list[i].asked = e.dialect(a)
		}
	}
	return list
}
