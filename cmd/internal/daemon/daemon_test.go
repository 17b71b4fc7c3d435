package daemon

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func watching(t *testing.T) *config.Config {
	t.Helper()
	c := config.Default(t.TempDir())
	c.Healer.Listen = "127.0.0.1:0"
	s := nodetest.NewLMStudio(t, nodetest.Options{})
	c.Nodes = []config.Node{{Name: "M1", Engine: "lmstudio", URL: s.URL, Model: nodes.Model{Name: "good"}}}
	return c
}

// TestRefused: what can't be had is refused before anything starts, says what to
// change, and gives back what was taken until then.
func TestRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		name  string
		spoil func(*config.Config)
		want  string
	}{
		{"port taken", func(c *config.Config) { c.Healer.Listen = busy.Addr().String() }, "healer.listen"},
		{"gateway's port taken", func(c *config.Config) { c.Gateway.Listen = busy.Addr().String() }, "gateway.listen"},
		{"log is a folder", func(c *config.Config) { c.Healer.Log = filepath.Dir(c.Healer.Log) }, "healer.log"},
		{"alert is nonsense", func(c *config.Config) {
			c.Alerts = []config.Alert{{URL: nodes.NewSecret("nonsense://sk-secret"), Where: "jarvis.yaml:1:1"}}
		}, "jarvis.yaml:1:1: alerts[0].url"},
		{"fallback names nobody", func(c *config.Config) { c.Fallback = []string{"M9"} }, "M9"},
		{"figures make no sense", func(c *config.Config) { c.Healer.Policy.Threshold = 7 }, "threshold"},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := watching(t)
			bad := *good
			c.spoil(&bad)
			if d, err := New(Options{Config: &bad}); err == nil || d != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sk-") {
				t.Fatalf("got %v, %v, want an error that names %s", d, err, c.want)
			}
			d, err := New(Options{Config: good})
			if err != nil {
				t.Fatalf("what was taken is not given back: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOneForEachState: a second daemon on one state is refused while the first
// one lives, and not after.
func TestOneForEachState(t *testing.T) {
	c := watching(t)
	first, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Config: c}); err == nil || !strings.Contains(err.Error(), "another jarvis-heal runs on "+c.Healer.State) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
}

// TestRunEnds: with its context, cleanly, the log written and the port free.
func TestRunEnds(t *testing.T) {
	c := watching(t)
	healthy := make(chan struct{}, 1)
	d, err := New(Options{Config: c, Console: healer.SinkFunc(func(e healer.Event) {
		if e.Type == healer.EventHealthy {
			healthy <- struct{}{}
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	address := d.Listening()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-healthy
	if got := d.Repairing(); len(got) > 0 {
		t.Errorf("repairing %v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(c.Healer.Log)
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
	c := watching(t)
	c.Healer.LogMaxSize = 1 << 20
	d := &Daemon{options: Options{Config: c}}
	log, err := d.openLog()
	if err != nil {
		t.Fatal(err)
	}
	e := healer.Event{Time: time.Now(), Node: "M1", Text: strings.Repeat("x", 100<<10)}
	for range 15 {
		log.Emit(e)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(c.Healer.Log), "jarvis_healer*.log"))
	if err != nil || len(files) != 2 {
		t.Fatalf("files: %v, %v, want two", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<20 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
}
