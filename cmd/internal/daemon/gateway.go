package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/statusapi"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/route"
	"github.com/turbone/jarvis/nodes/route/metrics"
)

// front is the gateway with its listener.
type front struct {
	listener net.Listener
	gateway  *route.Gateway
	handler  http.Handler
}

// newFront makes what takes the clients' requests.
func newFront(c config.Gateway, h *healer.Healer) (*front, error) {
	options := c.Options
	var measured http.Handler
	if c.Metrics {
		registry := prometheus.NewRegistry()
		m, err := metrics.New(registry)
		if err != nil {
			return nil, fmt.Errorf("gateway: metrics: %w", err)
		}
		var names []string
		for _, n := range h.Status().Nodes {
			names = append(names, n.Name)
		}
		if err := registry.Register(metrics.Watch(h.Route(), names)); err != nil {
			return nil, fmt.Errorf("gateway: metrics: %w", err)
		}
		options.Observer = m
		measured = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	}
	g, err := route.NewGateway(h.Route(), options, c.Keys...)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	f := &front{gateway: g, handler: g}
	if measured != nil {
		all := http.NewServeMux()
		all.Handle("GET /metrics", g.Guard(measured))
		all.Handle("/", g)
		f.handler = all
	}
	if len(c.Keys) == 0 {
		f.handler = fromHere(f.handler)
	}
	if f.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("gateway: %w; is another program there? Choose another address as gateway.listen, or off", err)
	}
	return f, nil
}

// fromHere lets only requests through that name this machine as their host: a
// page in a browser here that was lured to an address of its own name does
// not.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !statusapi.Local(r.Host) {
			http.Error(w, "ask by the address 127.0.0.1, or let clients in by keys: gateway.keys_file", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve takes clients until ctx ends; answers under way get the healer's grace
// to end.
func (f *front) serve(ctx context.Context, c *config.Config) error {
	defer f.gateway.CloseIdleConnections()
	return route.Serve(ctx, f.listener, f.handler, c.Healer.Policy.Grace)
}
