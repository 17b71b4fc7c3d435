package nodes_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

func TestLeases(t *testing.T) {
	since := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	healer := nodes.Holder{Name: "healer", PID: 7, Since: since, Why: "repair"}
	arena := nodes.Holder{Name: "arena", PID: 8, Since: since}
	for kind, open := range map[string]func(*testing.T) nodes.HeldLeases{
		"in memory": func(*testing.T) nodes.HeldLeases { return &nodes.MemoryLeases{} },
		"in a folder": func(t *testing.T) nodes.HeldLeases {
			l, err := nodes.NewDirLeases(filepath.Join(t.TempDir(), "not", "there", "yet"))
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
	} {
		t.Run(kind, func(t *testing.T) {
			ctx, leases := t.Context(), open(t)
			if _, held, err := leases.Holder(ctx, "M1"); held || err != nil {
				t.Errorf("before: held %t, %v", held, err)
			}
			first, err := leases.Acquire(ctx, "M1", healer)
			if err != nil {
				t.Fatal(err)
			}
			_, err = leases.Acquire(ctx, "M1", arena)
			if !errors.Is(err, nodes.Leased) || !strings.Contains(fmt.Sprint(err), "M1") || !strings.Contains(fmt.Sprint(err), "healer") {
				t.Errorf("got %v, want %v, with node and holder", err, nodes.Leased)
			}
			got, held, err := leases.Holder(ctx, "M1")
			if diff := cmp.Diff(healer, got); diff != "" || !held || err != nil {
				t.Errorf("held %t, %v: %s", held, err, diff)
			}
			other, err := leases.Acquire(ctx, "M/2 ä", arena)
			if err != nil {
				t.Fatalf("another node, oddly named: %v", err)
			}
			all, err := leases.Held(ctx)
			if diff := cmp.Diff(map[string]nodes.Holder{"M1": healer, "M/2 ä": arena}, all); diff != "" || err != nil {
				t.Errorf("held: %v %s", err, diff)
			}
			for range 2 {
				if err := first.Release(); err != nil {
					t.Errorf("release: %v", err)
				}
			}
			if _, held, _ := leases.Holder(ctx, "M1"); held {
				t.Error("held after the release")
			}
			if all, err := leases.Held(ctx); len(all) != 1 || err != nil {
				t.Errorf("held after the release: %v, %v", all, err)
			}
			second, err := leases.Acquire(ctx, "M1", arena)
			if err != nil {
				t.Fatalf("after the release: %v", err)
			}
			if err := first.Release(); err != nil {
				t.Errorf("a late release: %v", err)
			}
			if h, held, _ := leases.Holder(ctx, "M1"); !held || h.Name != "arena" {
				t.Errorf("a late release of the first took the second's lease: %+v", h)
			}
			for _, l := range []nodes.Lease{second, other} {
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOnlyOneGetsTheLease(t *testing.T) {
	leases, err := nodes.NewDirLeases(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []nodes.Lease
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			l, err := leases.Acquire(t.Context(), "M1", nodes.Holder{Name: fmt.Sprint("party ", i)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got = append(got, l)
			} else if !errors.Is(err, nodes.Leased) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(got) != 1 {
		t.Fatalf("%d got the lease", len(got))
	}
	if err := got[0].Release(); err != nil {
		t.Error(err)
	}
}

// A healer that is killed holds nothing: the next one starts at once.
func TestLeaseOfAnotherProcessEndsWithIt(t *testing.T) {
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), helperEnv+"=hold|"+dir)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StdinPipe(); err != nil { // kept open: it waits for it
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "held" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	leases, err := nodes.NewDirLeases(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "we"})
	if !errors.Is(err, nodes.Leased) || !strings.Contains(fmt.Sprint(err), "another healer") {
		t.Errorf("got %v, want %v by the other process", err, nodes.Leased)
	}
	if h, held, err := leases.Holder(t.Context(), "M1"); !held || h.PID != other.Process.Pid || err != nil {
		t.Errorf("held %t by %+v, %v", held, h, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed: an error by design
	lease, err := leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "we"})
	if err != nil {
		t.Fatalf("after its death: %v", err)
	}
	if err := lease.Release(); err != nil {
		t.Error(err)
	}
}

func TestUnreadableHolderIsStillAHolder(t *testing.T) {
	dir := t.TempDir()
	leases, err := nodes.NewDirLeases(dir)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := leases.Acquire(t.Context(), "M1", nodes.Holder{Name: "we"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lease.Release() }()
	if err := os.WriteFile(filepath.Join(dir, "M1.lease.json"), []byte("{half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if h, held, err := leases.Holder(t.Context(), "M1"); !held || h.Name != "another process" || err != nil {
		t.Errorf("held %t by %+v, %v", held, h, err)
	}
}
