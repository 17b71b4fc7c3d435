package healer

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// TestCorruptStateIsSetAside starts on every kind of broken state file: it is
// kept under another name, told, and not overwritten.
func TestCorruptStateIsSetAside(t *testing.T) {
	for name, content := range map[string]string{
		"cut off":         `{"version":1,"nodes":{"M1":{"att`,
		"empty":           "",
		"not JSON":        "<html>",
		"another version": `{"version":99,"nodes":{}}`,
		"wrong types":     `{"version":1,"nodes":[1,2]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := nodes.NewSet(newSimServer("M1").node(false))
			if err != nil {
				t.Fatal(err)
			}
			h, err := New(Config{Nodes: set, StateFile: path})
			if err != nil {
				t.Fatal(err)
			}
			events := h.Now().Events
			if len(events) != 1 || !strings.Contains(events[0].Text(), "unreadable") || !strings.Contains(events[0].Text(), "set aside as") {
				t.Errorf("events: %v", events)
			}
			if err := h.save(); err != nil {
				t.Fatal(err)
			}
			aside, err := filepath.Glob(path + ".unreadable-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("set aside: %v, %v", aside, err)
			}
			kept, err := os.ReadFile(aside[0])
			if err != nil || string(kept) != content {
				t.Errorf("kept %q, %v; want %q", kept, err, content)
			}
		})
	}
}

// TestStateSurvives writes a state and reads it back whole.
func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	at := time.Date(2026, 2, 25, 20, 15, 0, 0, time.UTC)
	want := map[string]persisted{"M1": {
		LastKnownGood: &nodes.Model{Name: "good", Settings: nodes.Settings{"context_length": 8192.0, "flash_attention": true}, Digest: "d"},
		VRAMShare:     0.5, Attempts: 3, NextRepair: at,
		Override: &Override{Model: nodes.Model{Name: "other"}, Why: OverrideRolledBack, Replaces: nodes.Model{Name: "good"}, Rejected: &nodes.Model{Name: "good"}},
	}}
	s := store{medium: file{path}}
	if _, err := s.save(1, func() (map[string]persisted, uint64) { return want, 1 }); err != nil {
		t.Fatal(err)
	}
	got, warning, err := (&store{medium: file{path}}).load(at)
	if err != nil || warning != "" {
		t.Fatal(err, warning)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

// TestManySavesAreFew saves from many goroutines: the newest is on disk, and
// writes that another one covered are not made.
func TestManySavesAreFew(t *testing.T) {
	s := store{medium: file{filepath.Join(t.TempDir(), "state.json")}}
	var mu sync.Mutex
	var version uint64
	writes := 0
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			mu.Lock()
			version++
			mine := version
			mu.Unlock()
			if _, err := s.save(mine, func() (map[string]persisted, uint64) {
				mu.Lock()
				defer mu.Unlock()
				writes++
				return map[string]persisted{"M1": {Attempts: int(version)}}, version
			}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got, _, err := (&store{medium: s.medium}).load(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got["M1"].Attempts != 200 {
		t.Errorf("on disk: %d, want 200", got["M1"].Attempts)
	}
	t.Logf("%d writes for 200 saves", writes)
}

// TestUnwritableStateIsTold has a state file in a folder that is not there.
func TestUnwritableStateIsTold(t *testing.T) {
	s := store{medium: file{filepath.Join(t.TempDir(), "missing", "state.json")}}
	_, err := s.save(1, func() (map[string]persisted, uint64) { return nil, 1 })
	if err == nil || !strings.Contains(err.Error(), "check its path") {
		t.Errorf("save = %v", err)
	}
}
