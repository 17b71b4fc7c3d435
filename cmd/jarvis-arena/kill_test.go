package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
)

// kills is how often the command is killed: 50 times in a full run, else a few.
func kills() int {
	if os.Getenv("JARVIS_FULL") == "1" {
		return 50
	}
	return 4
}

// The models of the test: the champion knows 60 % of the tasks.
const (
	killChampion = "champion:latest"
	killBetter   = "better:latest"
	killWorse    = "worse:latest"
)

// earlier is how many runs the history holds before.
const earlier = 20

// TestKilledAtAnyMoment kills the command (SIGKILL) at random moments of a
// tournament on a real Ollama, against a better and against a worse candidate.
// Each time what the node is meant to serve is loaded again, alone: after half
// of the kills by the next start of the command, after the others by the
// healer. The history holds all that it held, and nobody holds the lease.
func TestKilledAtAnyMoment(t *testing.T) {
	tasks := filepath.Join(t.TempDir(), "tasks.yaml")
	var text strings.Builder
	for i := range 64 {
		fmt.Fprintf(&text, "- {id: q%d, domain: %s, prompt: Who owns locker K%03d of the hall?, expect: Zor%02dmund, right: Zor%02dmund, wrong: banana}\n",
			i, []string{"code", "math"}[i%2], i, i%23, i%23)
	}
	if err := os.WriteFile(tasks, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	quiz, err := suite.Read(tasks)
	if err != nil {
		t.Fatal(err)
	}
	server := realollama.Start(t, realollama.Options{})
	for name, share := range map[string]float64{killChampion: 0.6, killBetter: 1, killWorse: 0.2} {
		spec := suitetest.Model(suitetest.Knowing(quiz, share))
		spec.Rules = append(spec.Rules, suitetest.Model(map[string]string{"Are you there?": "Yes."}).Rules...)
		server.AddModel(name, spec)
	}

	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	// About as long as a tournament takes; with later moments it has ended.
	span := 4 * time.Second
	promoted, hit := 0, 0
	kills := kills()
	for i := 0; hit < kills && i < 10+3*kills; i++ {
		k := newKill(t, server, tasks)
		candidate := []string{killBetter, killWorse}[i%2]
		after := time.Duration(random.Int64N(int64(span)))
		if k.killed(candidate, after) {
			hit++
		} else {
			span = max(span*9/10, time.Second)
		}
		if i%4 < 2 {
			k.next(candidate)
		} else {
			k.heal()
		}
		if k.whole(fmt.Sprintf("kill %d, of a tournament with %s after %s", i, candidate, after)) == killBetter {
			promoted++
		}
		if t.Failed() {
			t.Fatalf("the server's log:\n%s", server.Log())
		}
	}
	t.Logf("%d kills hit the command at work; %d ended with the better model promoted", hit, promoted)
	if hit < kills {
		t.Errorf("only %d kills hit the command at work", hit)
	}
}

// kill is a cluster of one node, with files of its own.
type kill struct {
	t      *testing.T
	server *realollama.Server
	file   string
	config *config.Config
	set    *nodes.Set
}

// newKill sets the stage: the champion is loaded, and the history holds some
// runs.
func newKill(t *testing.T, server *realollama.Server, tasks string) *kill {
	t.Helper()
	dir := t.TempDir()
	k := &kill{t: t, server: server, file: filepath.Join(dir, "jarvis.yaml")}
	text := fmt.Sprintf(`
nodes:
  - {name: M1, engine: ollama, url: %q, model: %q, timeout: 2s}
healer:
  interval: 200ms
  retry_after: 50ms
  grace: 0s
  settle: 200ms
  canary: {every: 1s, timeout: 5s}
  mini_benchmark: {threshold: 1, questions: [{prompt: "Are you there?", expect: "Yes"}]}
  backoff: {initial: 50ms, max: 200ms}
  listen: off
arena: {suite: %q, tasks_per_cycle: 24, cycles: 2, warmup: 1, timeout: 10s}
`, server.URL, killChampion, tasks)
	if err := os.WriteFile(k.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if k.config, err = config.Load(k.file); err != nil {
		t.Fatal(err)
	}
	if k.set, err = k.config.Build(); err != nil {
		t.Fatal(err)
	}
	store := k.store()
	for i := range earlier {
		if _, err := store.Append(t.Context(), historytest.Run(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range server.Loaded() {
		if m.Name != killChampion {
			server.UnloadBehindBack(m.Name)
		}
	}
	server.LoadBehindBack(killChampion, nil, -1)
	return k
}

func (k *kill) store() *filestore.Store {
	return filestore.Open(k.config.History.Path, filestore.Keep(k.config.History.Keep))
}

// killed starts a tournament and kills it after that time; false where it had
// ended before.
func (k *kill) killed(candidate string, after time.Duration) bool {
	cmd := exec.Command("jarvis-arena", "--config", k.file, candidate)
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // waited for below
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	select {
	case <-ended:
		return false
	case <-time.After(after): // the moment, not a wait for something
	}
	err := cmd.Process.Kill()
	<-ended
	return err == nil
}

// next starts the command again, and lets it end its tournament.
func (k *kill) next(candidate string) {
	k.t.Helper()
	if out, err := exec.Command("jarvis-arena", "--config", k.file, candidate).CombinedOutput(); err != nil {
		k.t.Errorf("the next start: %v\n%s", err, out)
	}
}

// heal runs the healer until the node serves what it is meant to serve.
func (k *kill) heal() {
	k.t.Helper()
	leases, err := nodes.NewDirLeases(daemon.LeaseDir(k.config.Healer.State))
	if err != nil {
		k.t.Fatal(err)
	}
	h, err := healer.New(healer.Config{Nodes: k.set, Policy: k.config.Healer.Policy, StateFile: k.config.Healer.State, Leases: leases})
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }() // waited for below
	for ctx.Err() == nil && (!allServe(ctx, h) || strings.Join(k.loaded(), " ") != k.serving()) {
		time.Sleep(20 * time.Millisecond)
	}
	if ctx.Err() != nil {
		k.t.Errorf("the healer didn't bring %s back: %+v", k.serving(), k.loaded())
	}
	cancel()
	if err := <-ended; err != nil {
		k.t.Error(err)
	}
}

// serving is what the node is meant to serve.
func (k *kill) serving() string {
	m, _, err := healer.OpenState(k.config.Healer.State).Serving(k.t.Context(), k.set.At(0))
	if err != nil {
		k.t.Fatal(err)
	}
	return m.Name
}

func (k *kill) loaded() (names []string) {
	for _, m := range k.server.Loaded() {
		names = append(names, m.Name)
	}
	return names
}

// whole holds what must be true after each kill, and returns what serves.
func (k *kill) whole(when string) string {
	k.t.Helper()
	ctx := k.t.Context()
	serving := k.serving()
	if got := strings.Join(k.loaded(), " "); got != serving || serving != killChampion && serving != killBetter {
		k.t.Errorf("%s: loaded is %q, and M1 is to serve %q", when, got, serving)
	}
	leases, err := nodes.NewDirLeases(daemon.LeaseDir(k.config.Healer.State))
	if err != nil {
		k.t.Fatal(err)
	}
	if held, err := leases.Held(ctx); err != nil || len(held) > 0 {
		k.t.Errorf("%s: leases are held: %v, %v", when, held, err)
	}
	runs, err := k.store().Runs(ctx)
	if err != nil {
		k.t.Errorf("%s: the history: %v", when, err)
	}
	ids := map[string]bool{}
	for _, run := range runs {
		if ids[run.ID] {
			k.t.Errorf("%s: run %s is in the history twice", when, run.ID)
		}
		ids[run.ID] = true
	}
	for i := range earlier {
		if id := historytest.Run(i).ID; !ids[id] {
			k.t.Errorf("%s: run %s is no longer in the history", when, id)
		}
	}
	champion, crowned, err := k.store().Champion(ctx)
	if err != nil || crowned && (champion.Model != serving || !ids[champion.RunID]) {
		k.t.Errorf("%s: the champion is %+v (%v), and M1 is to serve %s", when, champion, err, serving)
	}
	return serving
}

func allServe(ctx context.Context, h healer.Healer) bool {
	status, err := h.Status(ctx)
	return err == nil && status.AllServe()
}
