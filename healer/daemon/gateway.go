package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/gateway/metrics"
)

// gatewayServer is a gateway with its listener.
type gatewayServer struct {
	listener net.Listener
	gateway  *gateway.Gateway
	handler  http.Handler
}

// newGatewayServer makes the gateway of a watchdog's route, with its metrics,
// and listens on its address.
func newGatewayServer(c Gateway, h *healer.Watchdog) (*gatewayServer, error) {
	options := c.Options
	var measured http.Handler
	if !c.NoMetrics {
		registry := prometheus.NewRegistry()
		m, err := metrics.New(registry)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		var names []string
		status, err := h.Status(context.Background())
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		for _, n := range status.Nodes {
			names = append(names, n.Name)
		}
		if err := registry.Register(metrics.Watch(h.Route(), names)); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		options.Observer = m
		measured = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	}
	g, err := gateway.New(h.Route(), options, c.Keys...)
	if err != nil {
		return nil, err
	}
	s := &gatewayServer{gateway: g, handler: g}
	if measured != nil {
		// No ServeMux: it answers a path with a doubled slash by a redirect.
		guarded := g.Guard(measured)
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/metrics" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				guarded.ServeHTTP(w, r)
				return
			}
			g.ServeHTTP(w, r)
		})
	}
	if len(c.Keys) == 0 {
		s.handler = localOnly(s.handler, "clients of other hosts need a key")
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, err
	}
	return s, nil
}

// serve answers clients until ctx ends, and then waits for answers under way,
// for at most grace.
func (s *gatewayServer) serve(ctx context.Context, grace time.Duration) error {
	defer s.gateway.CloseIdleConnections()
	return gateway.Serve(ctx, s.listener, s.handler, grace)
}
