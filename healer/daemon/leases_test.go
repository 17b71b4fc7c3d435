package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/turbone/jarvis/nodes"
)

// TestLeases: who holds a lease is told, and no folder is made to ask for it.
func TestLeases(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	holder := func(state string) string {
		t.Helper()
		leases, err := Leases(state)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := leases.Holder(t.Context(), "M1")
		if err != nil {
			t.Fatal(err)
		}
		return h.String()
	}
	for _, none := range []string{"", state} {
		if got := holder(none); got != "" {
			t.Errorf("of %q: held by %s", none, got)
		}
	}
	if _, err := os.Stat(LeaseDir(state)); !os.IsNotExist(err) {
		t.Errorf("asking made the folder: %v", err)
	}
	there, err := nodes.NewDirLeases(LeaseDir(state))
	if err != nil {
		t.Fatal(err)
	}
	lease, err := there.Acquire(t.Context(), "M1", nodes.Holder{Name: "jarvis-arena", Why: "tournament of other"})
	if err != nil {
		t.Fatal(err)
	}
	if got := holder(state); got != "jarvis-arena (tournament of other)" {
		t.Errorf("held by %q", got)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	if got := holder(state); got != "" {
		t.Errorf("after its release: held by %q", got)
	}
}
