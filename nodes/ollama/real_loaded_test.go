package ollama_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
	"github.com/turbone/jarvis/nodes/ollama"
)

// trained is how long the context of the tiny models may be.
const trained = 8192

// TestRealCanaryReloadsNothing asks a loaded model on a real server, however
// it was loaded, and shows that the same runner is there afterwards, with the
// same context and the same expiry.
//
// It shows every third way to load, and all of them with JARVIS_FULL=1.
func TestRealCanaryReloadsNothing(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "own", Spec: realollama.Right()},
		{Name: "plain", Spec: realollama.Right(), Parameters: map[string]any{"num_ctx": nil}},
		{Name: "greedy", Spec: realollama.Right(), Parameters: map[string]any{"num_ctx": 5 * trained}},
	}})
	settings := func(numCtx int) nodes.Settings { return nodes.Settings{"num_ctx": numCtx} }
	for i, test := range []struct {
		name  string
		model string
		load  func(t *testing.T, b *ollama.Backend, model string)
		// knows are the settings that the caller believes in force.
		knows  nodes.Settings
		listed int
	}{
		{"with an explicit num_ctx", "own", ours(settings(1024)), settings(1024), 1024},
		{"with an explicit num_ctx, told nothing", "own", ours(settings(1024)), nil, 1024},
		{"with none, a default of the model's own", "own", ours(nil), nil, 2048},
		{"with none, the server's default", "plain", ours(nil), nil, 4096},
		{"with none, a default above what it was trained with", "greedy", ours(nil), nil, trained},
		{"with more settings", "own", ours(nodes.Settings{"num_ctx": 1024, "num_batch": 64}), nodes.Settings{"num_ctx": 1024, "num_batch": 64}, 1024},
		{"with settings but num_ctx", "own", ours(nodes.Settings{"num_batch": 64}), nodes.Settings{"num_batch": 64}, 2048},
		{"by a client with a larger num_ctx", "own", client(s, settings(3000)), settings(1024), 3000},
		{"by a client with a smaller num_ctx", "own", client(s, settings(512)), settings(1024), 512},
		{"by a client, where more settings were wanted", "own", client(s, settings(3000)), nodes.Settings{"num_ctx": 1024, "num_batch": 64}, 3000},
		{"by a client with num_ctx, told nothing", "plain", client(s, settings(512)), nil, 512},
		{"by a client with all it was trained with", "own", client(s, settings(trained)), nil, trained},
		{"above what it was trained with", "own", ours(settings(5 * trained)), settings(5 * trained), trained},
		{"above what it was trained with, told nothing", "own", ours(settings(5 * trained)), nil, trained},
		{"above what it was trained with, after a restart of the caller", "own", client(s, settings(5*trained)), settings(5 * trained), trained},
	} {
		if i%3 > 0 && os.Getenv("JARVIS_FULL") != "1" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			b := backend(t, s.URL)
			test.load(t, b, test.model)
			defer s.UnloadBehindBack(test.model)
			before, runners := s.Loaded(), s.Runners()
			if len(before) != 1 || before[0].ContextLength != test.listed || len(runners) != 1 {
				t.Fatalf("loaded %+v in %v, want one with a context of %d", before, runners, test.listed)
			}
			for range 2 {
				req := canary(test.model)
				req.Settings = test.knows
				reply, err := b.Chat(within(t, long), req)
				if err != nil || reply.Text != "OK" {
					t.Fatalf("answer %q, %v", reply.Text, err)
				}
			}
			if after := s.Runners(); !slices.Equal(after, runners) {
				t.Errorf("runner %v before, %v after: the model was loaded anew", runners, after)
			}
			if after := s.Loaded(); len(after) != 1 || after[0].ContextLength != test.listed {
				t.Errorf("loaded afterwards: %+v", after)
			}
		})
	}
}

// ours loads as the product does.
func ours(settings nodes.Settings) func(*testing.T, *ollama.Backend, string) {
	return func(t *testing.T, b *ollama.Backend, model string) {
		t.Helper()
		m := nodes.Model{Name: model, Settings: settings}
		inst, err := node(t, b, model).Ensure(within(t, long), m, nodes.EnsureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if unmet := settings.Unmet(inst.Settings); len(unmet) > 0 {
			t.Errorf("loaded with %v, listed with %v", settings, inst.Settings)
		}
	}
}

// client loads as somebody else does.
func client(s *realollama.Server, settings nodes.Settings) func(*testing.T, *ollama.Backend, string) {
	return func(t *testing.T, _ *ollama.Backend, model string) {
		t.Helper()
		s.LoadBehindBack(model, settings, -1)
	}
}

func TestRealOtherOptionsReload(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	b := backend(t, s.URL)
	s.LoadBehindBack("good", map[string]any{"num_ctx": 1024}, -1)
	before := s.Runners()
	req := canary("good")
	req.OnlyLoaded, req.Settings = false, nodes.Settings{"num_ctx": 3000}
	if _, err := b.Chat(within(t, long), req); err != nil {
		t.Fatal(err)
	}
	if after := s.Runners(); len(after) != 1 || slices.Equal(before, after) || s.Loaded()[0].ContextLength != 3000 {
		t.Errorf("runner %v before, %v after, listed %+v: want another one", before, after, s.Loaded())
	}
}

func TestRealCanaryLeavesTheExpiry(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	b := backend(t, s.URL)
	for _, test := range []struct {
		name string
		keep any
		left time.Duration // 0: for ever
	}{{"for ever", -1, 0}, {"five minutes", "5m", 5 * time.Minute}, {"an hour", 3600, time.Hour}} {
		t.Run(test.name, func(t *testing.T) {
			s.LoadBehindBack("good", nil, test.keep)
			var before time.Time
			began := time.Now()
			eventually(t, "the expiry is set", func() bool { // a moment after the load is answered
				before = snapshot(t, b).Loaded[0].Expires
				return before.IsZero() == (test.left == 0) && (before.IsZero() || (time.Until(before)-test.left).Abs() < time.Minute)
			})
			for range 5 {
				if _, err := b.Chat(within(t, long), canary("good")); err != nil {
					t.Fatal(err)
				}
			}
			after := snapshot(t, b).Loaded[0].Expires
			if after.Sub(before).Abs() > 2*time.Second+time.Since(began) { // an answer takes its time
				t.Errorf("expired at %s before, at %s after", before, after)
			}
		})
	}
}

func TestRealCanaryLoadsNothing(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	b := backend(t, s.URL)
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "nothing loaded", err, nodes.NotLoaded)
	_, err = b.Chat(within(t, long), canary("nope"))
	wantFault(t, "an unknown model", err, nodes.ModelNotFound)
	if loaded := s.Loaded(); len(loaded) != 0 {
		t.Errorf("loaded afterwards: %+v", loaded)
	}
}

func TestRealCopyIsTheSameModel(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Right()}}})
	s.CopyModel("good", "copy")
	s.LoadBehindBack("good", nil, -1)
	b := backend(t, s.URL)
	runners := s.Runners()
	if _, err := b.Chat(within(t, long), canary("copy")); err != nil {
		t.Error(err)
	}
	if after := s.Runners(); !slices.Equal(after, runners) {
		t.Errorf("runners %v before, %v after", runners, after)
	}
	inst, err := node(t, b, "copy").Ensure(within(t, long), nodes.Model{Name: "copy"}, nodes.EnsureOptions{})
	if err != nil || inst.Model != "copy:latest" {
		t.Errorf("got %+v, %v", inst, err)
	}
}

// TestRealReplacedTag shows what a pull of a newer version does to a loaded
// model: the old one can neither be asked nor unloaded, and the node goes on
// with the new one.
func TestRealReplacedTag(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{{Name: "good", Spec: realollama.Wrong()}}})
	s.LoadBehindBack("good", nil, -1)
	s.ReplaceModel("good", realollama.Right())
	b := backend(t, s.URL)
	if s := snapshot(t, b); len(s.Loaded) != 0 {
		t.Errorf("loaded: %+v, want none within reach", s.Loaded)
	}
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "the new one is not loaded", err, nodes.NotLoaded)
	if got := len(s.Runners()); got != 1 {
		t.Fatalf("%d runners: the canary has loaded", got)
	}
	if _, err := node(t, b, "good").Ensure(within(t, long), nodes.Model{Name: "good"}, nodes.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	reply, err := b.Chat(within(t, long), canary("good"))
	if err != nil || reply.Text != "OK" {
		t.Errorf("answer %q, %v", reply.Text, err)
	}
	if len(s.Loaded()) != 2 {
		t.Errorf("the server lists %+v; once it drops the old one this text of the package is out of date", s.Loaded())
	}
}

func TestRealDeletedTag(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "good", Spec: realollama.Right()}, {Name: "other", Spec: realollama.Right()},
	}})
	s.LoadBehindBack("good", nil, -1)
	s.DeleteModel("good")
	b := backend(t, s.URL)
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "canary", err, nodes.ModelNotFound)
	n := node(t, b, "other")
	if _, err := n.Ensure(within(t, long), nodes.Model{Name: "good"}, nodes.EnsureOptions{}); nodes.FaultOf(err) != nodes.ModelNotFound {
		t.Errorf("ensure: %v", err)
	}
	if _, err := n.Ensure(within(t, long), nodes.Model{Name: "other"}, nodes.EnsureOptions{}); err != nil {
		t.Errorf("ensure another: %v", err)
	}
}

func snapshot(t *testing.T, b nodes.Backend) nodes.Snapshot {
	t.Helper()
	s, err := b.Probe(within(t, long))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealProbe(t *testing.T) {
	t.Parallel()
	s := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "good", Spec: realollama.Right()}, {Name: "other:8b", Spec: realollama.Wrong()},
	}})
	s.LoadBehindBack("good", nil, -1)
	got := snapshot(t, backend(t, s.URL))
	digest := got.Loaded[0].Digest
	type file struct{ Name, Quantization string }
	var files []file
	for _, f := range got.OnDisk {
		if f.Size < 100_000 || len(f.Digest) != 64 {
			t.Errorf("%s: size %d, digest %q", f.Name, f.Size, f.Digest)
		}
		files = append(files, file{f.Name, f.Quantization})
	}
	slices.SortFunc(files, func(a, b file) int { return len(a.Name) - len(b.Name) })
	if diff := cmp.Diff([]file{{"other:8b", "unknown"}, {"good:latest", "unknown"}}, files); diff != "" {
		t.Errorf("on disk (-want +got):\n%s", diff)
	}
	want := []nodes.Instance{{
		ID: "good:latest", Model: "good:latest", Digest: digest, Size: got.Loaded[0].Size, Settings: nodes.Settings{"num_ctx": 2048},
	}}
	if diff := cmp.Diff(want, got.Loaded); diff != "" || got.Version != realollama.Version {
		t.Errorf("version %s, loaded (-want +got):\n%s", got.Version, diff)
	}
}
