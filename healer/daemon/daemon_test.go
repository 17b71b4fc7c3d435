package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// watching returns the configuration of a daemon that watches one fake node.
func watching(t *testing.T) Config {
	t.Helper()
	s := nodetest.NewLMStudio(t, nodetest.Options{})
	backend, err := lmstudio.New(nodes.Connection{Node: "M1", URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	node, err := nodes.New(nodes.Node{Name: "M1", Engine: "lmstudio", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := nodes.NewSet(node)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return Config{
		Healer:  healer.Config{Nodes: set, StateFile: filepath.Join(dir, "state.json")},
		Log:     Log{Path: filepath.Join(dir, "healer.log")},
		Status:  Status{Listen: "127.0.0.1:0"},
		History: History{Path: filepath.Join(dir, "history.json")},
	}
}

// TestRefused: what can't be had is refused before anything starts, the error
// names the part, and what was taken until then is given back.
func TestRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		name  string
		spoil func(*Config)
		part  Part
		want  string
	}{
		{"port taken", func(c *Config) { c.Status.Listen = busy.Addr().String() }, PartStatus, "in use"},
		{"gateway's port taken", func(c *Config) { c.Gateway.Listen = busy.Addr().String() }, PartGateway, "in use"},
		{"log is a folder", func(c *Config) { c.Log.Path = filepath.Dir(c.Log.Path) }, PartLog, "directory"},
		{"state's folder is a file", func(c *Config) { c.Healer.StateFile = filepath.Join(ownFile(t), "state.json") }, PartState, "not a directory"},
		{"history is no database", func(c *Config) { c.History.Path = ownFile(t) }, PartHistory, "no database"},
		{"fallback names nobody", func(c *Config) { c.Healer.Fallback = []string{"M9"} }, "", "M9"},
		{"figures make no sense", func(c *Config) {
			c.Healer.Policy = healer.DefaultPolicy()
			c.Healer.Policy.Threshold = 7
		}, "", "Threshold"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := watching(t)
			bad := good
			c.spoil(&bad)
			d, err := New(t.Context(), bad)
			if err == nil || d != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want an error that says %s", d, err, c.want)
			}
			var part *Error
			if errors.As(err, &part); c.part != "" && (part == nil || part.Part != c.part) {
				t.Errorf("%v is about %+v, want %s", err, part, c.part)
			}
			d, err = New(t.Context(), good)
			if err != nil {
				t.Fatalf("what was taken is not given back: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// ownFile returns the path of a file that is neither a folder nor a database,
// although it is named like one.
func ownFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.db")
	if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOneForEachState: a second daemon on one state is refused while the first
// one lives, and not after.
func TestOneForEachState(t *testing.T) {
	c := watching(t)
	first, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), c); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), c.Healer.StateFile) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
}

// TestBesideTheState: lock and leases lie beside the state, and nowhere without
// one.
func TestBesideTheState(t *testing.T) {
	for state, want := range map[string][2]string{
		filepath.Join("d", "state.json"): {filepath.Join("d", "state.leases"), filepath.Join("d", "state.lock")},
		filepath.Join("d.d", "state"):    {filepath.Join("d.d", "state.leases"), filepath.Join("d.d", "state.lock")},
		"":                               {"", ""},
	} {
		if LeaseDir(state) != want[0] || lockFile(state) != want[1] {
			t.Errorf("%s: %s, %s", state, LeaseDir(state), lockFile(state))
		}
	}
}

// TestRunEnds: with its context, cleanly, the log written and the port free.
func TestRunEnds(t *testing.T) {
	c := watching(t)
	healthy := make(chan struct{}, 1)
	c.Healer.Sinks = []healer.Sink{healer.SinkFunc(func(e healer.Event) {
		if e.Type == healer.EventHealthy {
			healthy <- struct{}{}
		}
	})}
	d, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	address := d.StatusAddress()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-healthy
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(c.Log.Path)
	if err != nil || !bytes.Contains(log, []byte("M1: healthy")) {
		t.Errorf("log: %s, %v", log, err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = l.Close()
}

// TestLogRotates: a full log is set aside, and no more than a few are kept.
func TestLogRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "healer.log")
	d := &Daemon{}
	log, err := d.openLog(Log{Path: path, MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	e := healer.Event{Time: time.Now(), Node: "M1", Detail: strings.Repeat("x", 100<<10)}
	for range 15 {
		log.Emit(e)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "healer*.log"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files: %v, %v, want two", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<20 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
}
