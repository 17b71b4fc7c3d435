package main

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestDaemon runs the example in front of a fake server and asks a question
// through its gateway.
func TestDaemon(t *testing.T) {
	set, err := servers(map[string]string{"OL1": nodetest.NewOllama(t, nodetest.Options{}).URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	healthy := make(chan struct{}, 100)
	gateway := make(chan string, 1)
	c := daemon.Config{
		Healer: healer.Config{Nodes: set, StateFile: filepath.Join(t.TempDir(), "state.json"), Sinks: []healer.Sink{
			healer.SinkFunc(func(e healer.Event) {
				if e.Type == healer.EventHealthy {
					healthy <- struct{}{}
				}
			}),
		}},
		Gateway: daemon.Gateway{Listen: "127.0.0.1:0"},
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, func(address string) { gateway <- address }) }()
	select {
	case <-healthy:
	case err := <-ended:
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+<-gateway+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"What is 2+2?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Jarvis-Node") != "OL1" {
		t.Errorf("HTTP %d from %q", resp.StatusCode, resp.Header.Get("X-Jarvis-Node"))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
