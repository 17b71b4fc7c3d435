package healer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// TestStateIsShared writes one file from a healer's store and from four other
// processes' sides at once: nobody's word is lost, and nobody's is undone.
func TestStateIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	taken := map[string]persisted{}
	list := map[string]persisted{}
	var mu sync.Mutex
	s := store{medium: file{path}}
	s.take = func(changed map[string]persisted) {
		mu.Lock()
		defer mu.Unlock()
		for name, k := range changed {
			mine := list[name]
			mine.Override, mine.Trial, mine.Restore = k.Override, k.Trial, k.Restore
			list[name], taken[name] = mine, k
		}
	}
	var all sync.WaitGroup
	const others, rounds = 4, 25
	for o := range others {
		all.Go(func() {
			server := newSimServer(fmt.Sprintf("M%d", o+1))
			f := OpenState(path)
			for range rounds {
				if err := f.Remember(t.Context(), server.node(false), &simPrevious); err != nil {
					t.Error(err)
				}
			}
			if err := f.Promote(t.Context(), server.node(false), nodes.Promotion{Model: simWon}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for round := range rounds {
			version := uint64(round + 1)
			if _, err := s.save(version, func() (map[string]persisted, uint64) {
				mu.Lock()
				defer mu.Unlock()
				copied := map[string]persisted{}
				for o := range others {
					name := fmt.Sprintf("M%d", o+1)
					k := list[name]
					k.Attempts = round + 1
					list[name], copied[name] = k, k
				}
				return copied, version
			}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if err := s.refresh(); err != nil {
		t.Fatal(err)
	}
	got, err := OpenState(path).load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for o := range others {
		name := fmt.Sprintf("M%d", o+1)
		k := got[name]
		if k.Attempts != rounds || k.Override == nil || k.Override.Name != simOther || k.Restore != nil || k.Trial == nil || k.Trial.Watch != DefaultWatch {
			t.Errorf("%s on disk: %+v", name, k)
		}
		if diff := cmp.Diff(k.Override, taken[name].Override); diff != "" {
			t.Errorf("%s taken over (-disk +taken):\n%s", name, diff)
		}
	}
}

// TestOthersNodesStay: what is kept of a node that this healer doesn't watch is
// not lost by its writes, and neither is a file that went away.
func TestOthersNodesStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	f := OpenState(path)
	if err := f.Promote(t.Context(), newSimServer("M9").node(false), nodes.Promotion{Model: simWon}); err != nil {
		t.Fatal(err)
	}
	s := store{medium: file{path}}
	if _, _, err := s.load(time.Now()); err != nil {
		t.Fatal(err)
	}
	mine := map[string]persisted{"M1": {Attempts: 1}}
	for version := range uint64(2) {
		if _, err := s.save(version+1, func() (map[string]persisted, uint64) { return mine, version + 1 }); err != nil {
			t.Fatal(err)
		}
		list, err := f.load(context.Background())
		if err != nil || list["M1"].Attempts != 1 || version == 0 && list["M9"].Override == nil {
			t.Errorf("on disk: %+v, %v", list, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := s.refresh(); err != nil {
			t.Errorf("without the file: %v", err)
		}
	}
}

// TestStateSpoiledWhileRunning breaks the file under a running healer: it is
// told once, what was known stays in force, and the next write sets it aside.
func TestStateSpoiledWhileRunning(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = state
		c.servers[0].drop(simOther)
		c.promote(0)
		c.start()
		if err := os.WriteFile(state, []byte(`{"version":1,`), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := c.texts("", EventDegraded); len(got) != 1 || !strings.Contains(got[0], "is unreadable now") {
			t.Errorf("told %q", got)
		}
		time.Sleep(c.policy.Settle + time.Minute)
		list, err := OpenState(state).load(t.Context())
		if err != nil || list["M1"].Override == nil || list["M1"].Override.Name != simOther {
			t.Errorf("on disk: %+v, %v", list["M1"], err)
		}
		if aside, _ := filepath.Glob(state + ".unreadable-*"); len(aside) != 1 {
			t.Errorf("set aside: %v", aside)
		}
		c.end()
	})
}
