package main

import (
	"context"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestHeal runs the example against a fake server until it is healthy.
func TestHeal(t *testing.T) {
	server := nodetest.NewOllama(t, nodetest.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	healthy := false
	err := heal(ctx, []string{server.URL}, healer.SinkFunc(func(e healer.Event) {
		if e.Type == healer.EventHealthy {
			healthy = true
			cancel()
		}
	}))
	if err != nil || !healthy {
		t.Errorf("heal: %v, healthy: %v", err, healthy)
	}
}
