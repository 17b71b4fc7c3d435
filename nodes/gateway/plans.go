package gateway

import (
	"sync"

	"github.com/turbone/jarvis/nodes/route"
)

// maxPlans is the greatest number of plans in the cache: model names come from
// clients.
const maxPlans = 1024

// planCache holds plans until what the nodes serve, or the APIs that they have,
// change. The zero value is ready. Safe for concurrent use.
type planCache struct {
	mu      sync.Mutex
	version planVersion
	plans   map[planKey]route.Plan
}

type planKey struct{ api, model string }

// planVersion changes when a plan may.
type planVersion struct{ models, missingAPIs, names uint64 }

// get returns the plan of a request, made by make where it is not in the cache.
func (c *planCache) get(key planKey, version planVersion, make func() route.Plan) route.Plan {
	c.mu.Lock()
	if c.version != version || c.plans == nil {
		c.plans, c.version = map[planKey]route.Plan{}, version
	}
	p, ok := c.plans[key]
	c.mu.Unlock()
	if ok {
		return p
	}
	p = make()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version && len(c.plans) < maxPlans {
		c.plans[key] = p
	}
	return p
}

// plan returns the plan of a request.
func (f *forwarder) plan(a *request) route.Plan {
	f.forgetAPIs()
	version := planVersion{f.table.Version(), f.missingAPIs.Load(), f.names.revision()}
	return f.plans.get(planKey{a.Path, a.model}, version, func() route.Plan {
		served := f.table.Served()
		for i, e := range f.upstreams {
			served[i].Askable = false
			if e != nil {
				_, _, served[i].Askable = e.codec(a.API)
				served[i].Only = e.ownModels()
			}
		}
		return route.PlanFor(a.model, served, f.options.Roles, f.options.Strict || a.Strict)
	})
}
