package route

import (
	"cmp"
	"slices"

	"github.com/turbone/jarvis/nodes"
)

// Auto is the name that stands for the model that a node serves, whichever it
// is.
const Auto = "auto"

// Plan says which nodes can answer for a model's name, by place.
type Plan struct {
	Fits []Fit
	// Models are the names of the models that the nodes are asked for.
	Models []string
}

// Served is a node as [PlanFor] sees it.
type Served struct {
	Node *nodes.Node
	// Model is the model that the node serves, Wanted the one that it is meant
	// to serve.
	Model, Wanted string
	// Askable: it can be asked by the API of the request.
	Askable bool
	// Only are the names of the only models that the node may be asked for: it
	// would answer for any other name with one of these. Nil means any.
	Only []string
}

// PlanFor returns the plan for a model's name.
//
// [Auto] and the empty name stand for the model that each node serves. A name
// in roles is answered by the nodes that the role names, each with the role's
// model for it. Any other name is answered by the nodes that serve this model;
// unless strict, the others stand in for them. A name that no node serves or is
// meant to serve may be on any node's disk, and fits all but those that would
// answer for it with another model, see [Served].
func PlanFor(name string, list []Served, roles map[string]map[string]string, strict bool) Plan {
	role, isRole := roles[name]
	known := false
	for _, s := range list {
		known = known || s.Node.Same(name, s.Model) || s.Node.Same(name, s.Wanted) || s.Only != nil && s.has(name)
	}
	match := func(s Served) (Fit, string) {
		if !s.Askable {
			return Unfit, name
		}
		if name == "" || name == Auto {
			return Exact, cmp.Or(s.Model, name)
		}
		if isRole {
			if model, ok := role[s.Node.Name]; ok {
				return Exact, cmp.Or(model, name)
			}
			return Unfit, name
		}
		if !known || s.Node.Same(name, s.Model) || s.Only != nil && s.has(name) {
			return Exact, name
		}
		if !strict && s.Model != "" {
			return StandIn, s.Model
		}
		return Unfit, name
	}
	p := Plan{Fits: make([]Fit, len(list)), Models: make([]string, len(list))}
	for i, s := range list {
		p.Fits[i], p.Models[i] = match(s)
		if p.Fits[i] == Unfit || s.has(p.Models[i]) {
			continue
		}
		if anyModel := name == "" || name == Auto || p.Fits[i] == StandIn; anyModel && len(s.Only) > 0 {
			p.Models[i] = s.Only[0]
		} else {
			p.Fits[i], p.Models[i] = Unfit, name
		}
	}
	return p
}

// has reports whether the node may be asked for a model.
func (s Served) has(name string) bool {
	if s.Only == nil {
		return true
	}
	return slices.ContainsFunc(s.Only, func(own string) bool { return s.Node.Same(own, name) })
}
