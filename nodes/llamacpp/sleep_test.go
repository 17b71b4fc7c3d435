package llamacpp_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
)

var bothKinds = map[string]func(*testing.T) (*nodetest.LlamaCPP, *llamacpp.Backend){"one model": single, "router": router}

// TestNothingButAChatWakes: probes and the count of the requests under way leave a
// model asleep, and Ensure takes it as loaded.
func TestNothingButAChatWakes(t *testing.T) {
	for name, start := range bothKinds {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t)
			n, err := nodes.New(nodes.Node{Name: "L1", Backend: b})
			if err != nil {
				t.Fatal(err)
			}
			fake.Sleep()
			for range 3 {
				if _, err := b.Probe(t.Context()); err != nil {
					t.Fatal(err)
				}
				if busy, err := b.InFlight(t.Context()); busy != 0 || err != nil {
					t.Errorf("%d under way, %v", busy, err)
				}
			}
			if name == "router" {
				if _, err := n.Ensure(t.Context(), nodes.Model{Name: "one"}, nodes.EnsureOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := b.Load(t.Context(), nodes.Model{Name: "one"}); err != nil {
					t.Error(err)
				}
			}
			if !fake.Asleep() {
				t.Error("it was woken")
			}
			if calls := fake.CallsTo(nodetest.Unloads); len(calls) > 0 {
				t.Errorf("unloaded: %+v", calls)
			}
			req := question("one")
			req.OnlyLoaded, req.Wake = true, true
			if _, err := n.Ask(t.Context(), req); err != nil || fake.Asleep() {
				t.Errorf("asleep %t after a chat that may wake it, %v", fake.Asleep(), err)
			}
		})
	}
}

// TestSlotsWakeAModel holds the fake to what makes the rule above one.
func TestSlotsWakeAModel(t *testing.T) {
	for path, wakes := range map[string]bool{
		"/slots?model=one": true, "/props?model=one": false, "/props": false, "/v1/models": false, "/health": false,
	} {
		fake, _ := router(t)
		fake.Sleep()
		resp, err := http.Get(fake.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || fake.Asleep() == wakes {
			t.Errorf("%s: %s, asleep: %t", path, resp.Status, fake.Asleep())
		}
	}
}

// TestAliasBeforeTheFirstProbe: a chat with an alias is answered by the model's id,
// which is no other model.
func TestAliasBeforeTheFirstProbe(t *testing.T) {
	for name, start := range bothKinds {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t)
			fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.Aliases = map[string][]string{"one": {"uno"}} })
			n, err := nodes.New(nodes.Node{Name: "L1", Backend: b})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Ask(t.Context(), question("uno")); err != nil {
				t.Error(err)
			}
			if !n.Same("uno", "one") {
				t.Error("the alias is not known")
			}
		})
	}
}

// TestRescan: a file that came after the router's start is found by Ensure, and a
// file that is gone is told as missing.
func TestRescan(t *testing.T) {
	fake, b := router(t)
	n, err := nodes.New(nodes.Node{Name: "L1", Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.SetModels(nodetest.Model{Name: "one"}, nodetest.Model{Name: "three"})
	if _, err := n.Ensure(t.Context(), nodes.Model{Name: "two"}, nodes.EnsureOptions{}); !errors.Is(err, nodes.ModelNotFound) || !strings.Contains(err.Error(), "--models-dir") {
		t.Errorf("a file that is gone: got %v, want %v", err, nodes.ModelNotFound)
	}
	if _, err := n.Ensure(t.Context(), nodes.Model{Name: "three"}, nodes.EnsureOptions{}); err != nil {
		t.Errorf("a file that came: %v", err)
	}
	if _, err := n.Ensure(t.Context(), nodes.Model{Name: "four"}, nodes.EnsureOptions{}); !errors.Is(err, nodes.ModelNotFound) || !strings.Contains(err.Error(), "the next load looks") {
		t.Errorf("a file that is nowhere: got %v, want %v and what to do", err, nodes.ModelNotFound)
	}
}
