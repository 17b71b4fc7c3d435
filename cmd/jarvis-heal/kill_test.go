package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestKilledAtAnyMoment kills the healer (SIGKILL) at random moments of
// a repair: the next start finds its state whole, no lease left, and brings
// the node back with one instance of its model.
func TestKilledAtAnyMoment(t *testing.T) {
	fake := nodetest.NewLMStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "good", LoadTime: 150 * time.Millisecond}}})
	dir := t.TempDir()
	api := freeAddress(t)
	config := filepath.Join(dir, "jarvis.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
nodes:
  - {name: M1, engine: lmstudio, url: %q, model: good, timeout: 1s}
healer:
  interval: 200ms
  retry_after: 50ms
  grace: 50ms
  settle: 100ms
  canary: {every: 200ms, timeout: 500ms}
  backoff: {initial: 10ms, max: 50ms}
  listen: %s
`, fake.URL, api), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		cmd := exec.Command("jarvis-heal", "run", "--config", config)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	kills := 3
	if os.Getenv("JARVIS_FULL") == "1" {
		kills = 20
	}
	for range kills {
		cmd := start()
		if random.IntN(2) == 0 {
			fake.Drop()
		} else {
			fake.HangInstances()
		}
		time.Sleep(time.Duration(random.IntN(900)) * time.Millisecond) // the moment, not a wait for something
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}

	cmd := start()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var last healer.Status
	deadline := time.Now().Add(2 * time.Minute)
	for !last.AllServe() || len(last.Nodes) == 0 || !onlyGood(fake.Loaded()) {
		if time.Now().After(deadline) {
			t.Fatalf("after the kills: %+v, loaded %v", last.Nodes, fake.Loaded())
		}
		time.Sleep(20 * time.Millisecond)
		last = healer.Status{}
		if resp, err := http.Get("http://" + api + "/api/v1/status"); err == nil {
			_ = json.NewDecoder(resp.Body).Decode(&last)
			_ = resp.Body.Close()
		}
	}
	if broken, _ := filepath.Glob(filepath.Join(dir, "*.unreadable-*")); len(broken) > 0 {
		t.Errorf("a kill broke the state file: %v", broken)
	}
}

// onlyGood reports whether one instance of the model is loaded. It is the second
// if the first was unloaded after a kill in the middle of a load.
func onlyGood(loaded []string) bool {
	return len(loaded) == 1 && (loaded[0] == "good" || strings.HasPrefix(loaded[0], "good:"))
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
