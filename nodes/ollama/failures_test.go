package ollama_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The tests TestO… are the ways in which users of Ollama report that it fails,
// as far as they can be seen over the network. O10 (orphaned runners) and O11
// (a runner's memory grows) can't; O12 (garbage) is for who judges answers.

// short is a deadline that is meant to pass.
const short = 100 * time.Millisecond

// runners are the three whose words differ.
var runners = []string{"llama runner", "llama-server", "mlx runner"}

// reload is the cure for most of them.
func reload(t *testing.T, n *nodes.Node, model string) error {
	t.Helper()
	_, err := n.Ensure(within(t, long), nodes.Model{Name: model}, nodes.EnsureOptions{Reload: true})
	return err
}

func TestO01StuckStopping(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.StoppingTime = time.Hour })
	if err := b.Unload(within(t, long), "good:latest"); err != nil {
		t.Fatal(err)
	}
	loaded := snapshot(t, b).Loaded
	if len(loaded) != 1 || !loaded[0].Stopping {
		t.Errorf("loaded %+v, want it listed and stopping", loaded)
	}
	_, err := b.Chat(within(t, long), canary("good"))
	wantFault(t, "canary", err, nodes.NotLoaded)
	n, err := nodes.New(nodes.Node{Name: "OL1", Backend: b, UnloadTimeout: short})
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, "reload", reload(t, n, "good"), nodes.UnloadStuck)
	fake.Restart()
	fake.Configure(func(s *nodetest.OllamaSettings) { s.StoppingTime = 0 })
	if err := reload(t, n, "good"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestO02GenerateHangsAndTheVersionAnswers(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.Wedged)
	if loaded := snapshot(t, b).Loaded; len(loaded) != 1 {
		t.Errorf("loaded %+v: want it listed", loaded)
	}
	for _, stream := range []bool{true, false} {
		req := canary("good")
		req.Stream, req.FirstToken = stream, short
		_, err := b.Chat(within(t, long), req)
		wantFault(t, "canary", err, nodes.TimedOut)
	}
}

func TestO03FallsBackToTheCPU(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	for _, share := range []float64{1, 0.4, 0} {
		fake.LoseGPU(share)
		got := snapshot(t, b).Loaded[0]
		if want := int64(share * float64(got.Size)); got.VRAM != want {
			t.Errorf("%.0f %% on the GPU: %d of %d bytes, want %d", 100*share, got.VRAM, got.Size, want)
		}
	}
}

func TestO04MemoryNotReleased(t *testing.T) {
	for _, runner := range runners {
		t.Run(runner, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			fake.Configure(func(s *nodetest.OllamaSettings) { s.Runner = runner })
			fake.Break(nodetest.MemoryNotFreed)
			n := node(t, b, "good")
			wantFault(t, "reload", reload(t, n, "good"), nodes.OutOfMemory)
			fake.Restart()
			if err := reload(t, n, "good"); err != nil {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

func TestO05RunnerTerminated(t *testing.T) {
	for _, text := range []string{
		"llama runner process has terminated: exit status 2",
		"llama runner process has terminated: signal: segmentation fault (core dumped)",
		"llama runner process no longer running: -1 ",
		"llama-server process has terminated: exit status 0xe06d7363: load: special tokens cache size = 3",
		"llama-server process no longer running: -1 ",
		"mlx runner failed: Error: out of bounds (exit: signal: killed)",
		"mlx runner exited unexpectedly: signal: killed",
		"an error was encountered while running the model: unexpected EOF",
		"model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details",
		`error reading llm response: read tcp 127.0.0.1:5->127.0.0.1:6: wsarecv: An existing connection was forcibly closed by the remote host.`,
		`health resp: Get "http://127.0.0.1:43421/health": dial tcp 127.0.0.1:43421: connect: connection refused`,
	} {
		t.Run(text[:min(len(text), 50)], func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			ask := func(what string, stream bool) {
				t.Helper()
				req := canary("good")
				req.Stream = stream
				_, err := b.Chat(within(t, long), req)
				wantFault(t, what, err, nodes.Crashed)
			}
			fake.BreakWith(nodetest.Crashed, nodetest.Detail{Text: text})
			ask("before a stream", true)
			ask("instead of an answer", false)
			fake.Mend()
			fake.BreakWith(nodetest.ErrorFrame, nodetest.Detail{Text: text})
			ask("in a stream", true)
			ask("in the making of an answer", false)
			fake.Mend()
			fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: text})
			_, err := b.Load(within(t, long), nodes.Model{Name: "other"})
			wantFault(t, "load", err, nodes.LoadFailed)
		})
	}
	t.Run("cured by a reload", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{})
		fake.Break(nodetest.Crashed)
		if err := reload(t, node(t, b, "good"), "good"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Chat(within(t, long), canary("good")); err != nil {
			t.Error(err)
		}
	})
}

func TestO06HangingRunnerIsCuredByAReload(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.HangRunners()
	req := canary("good")
	req.FirstToken = short
	_, err := b.Chat(within(t, long), req)
	wantFault(t, "canary", err, nodes.TimedOut)
	if err := reload(t, node(t, b, "good"), "good"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Chat(within(t, long), canary("good")); err != nil {
		t.Errorf("after the reload: %v", err)
	}
}

func TestO06UnloadWaitsForTheHangingRequest(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.HangRunners()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { // ended by stop, waited for below
		_, err := b.Chat(ctx, canary("good"))
		done <- err
	}()
	eventually(t, "the request hangs", func() bool { return fake.UnderWay() == 1 })
	n, err := nodes.New(nodes.Node{Name: "OL1", Backend: b, UnloadTimeout: short})
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, "reload with the request open", reload(t, n, "good"), nodes.UnloadStuck)
	stop()
	<-done
	eventually(t, "gone once the request is", func() bool { return len(snapshot(t, b).Loaded) == 0 })
}

func TestO07LoadTimesOut(t *testing.T) {
	for _, text := range []string{
		"timed out waiting for llama runner to start - progress 0.42 - ",
		"timed out waiting for llama runner to start: context canceled",
		"timed out waiting for llama-server to start: context deadline exceeded",
		"timeout waiting for mlx runner to start",
		"llama-server startup failed: exit status 1",
	} {
		t.Run(text, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: text, Times: 1})
			_, err := b.Load(within(t, long), nodes.Model{Name: "other"})
			wantFault(t, "load", err, nodes.LoadFailed)
			if _, err := b.Load(within(t, long), nodes.Model{Name: "other"}); err != nil {
				t.Errorf("the second try: %v", err)
			}
		})
	}
}

// TestO08LeavesNoRequestBehind: whatever ends a question, its connection is
// closed, so that the server can stop working on it.
func TestO08LeavesNoRequestBehind(t *testing.T) {
	for name, fault := range map[string]nodetest.Fault{
		"no first token": nodetest.Wedged, "no next token": nodetest.HangMidAnswer, "error in the stream": nodetest.ErrorFrame,
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			fake.Break(fault)
			req := canary("good")
			req.FirstToken, req.BetweenTokens = short, short
			if _, err := b.Chat(within(t, long), req); err == nil {
				t.Error("no error")
			}
			eventually(t, "no request is under way", func() bool { return fake.UnderWay() == 0 })
		})
	}
}

func TestO09OneModelLoadedTwice(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.AddInstance("good")
	var ids []string
	for _, inst := range snapshot(t, b).Loaded {
		ids = append(ids, inst.ID)
	}
	if diff := cmp.Diff([]string{"good:latest", "good:latest#2"}, ids); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	if _, err := b.Chat(within(t, long), canary("good:latest#2")); err != nil {
		t.Errorf("asked by the second one's id: %v", err)
	}
	if removed, err := node(t, b, "good").TrimExtras(within(t, long), nodes.Model{Name: "good"}); removed != 1 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if diff := cmp.Diff([]string{"good:latest"}, fake.Loaded()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// TestO13ContextThrash: clients with different num_ctx reload the model for
// each other. The product's own questions never take part, and see it.
func TestO13ContextThrash(t *testing.T) {
	const trained = 8192
	for _, version := range []string{"0.17.4", "0.32.15"} {
		for _, test := range []struct {
			name   string
			loaded map[string]any
			own    int // the model's own num_ctx
			server int // the server's default
			knows  nodes.Settings
			met    bool
		}{
			{"as wanted", map[string]any{"num_ctx": 1024}, 0, 0, nodes.Settings{"num_ctx": 1024}, true},
			{"by another client", map[string]any{"num_ctx": 3000}, 0, 0, nodes.Settings{"num_ctx": 1024}, false},
			{"by another client, more settings wanted", map[string]any{"num_ctx": 3000}, 0, 0, nodes.Settings{"num_ctx": 1024, "num_thread": 4}, false},
			{"by another client with less", map[string]any{"num_ctx": 512}, 0, 0, nodes.Settings{"num_ctx": 1024}, false},
			{"with none", nil, 0, 0, nil, true},
			{"with none, the model's own", nil, 2048, 0, nil, true},
			{"with none, the server's is too large", nil, 0, 262144, nil, true},
			{"with none, the model's own is too large", nil, 5 * trained, 0, nil, true},
			{"too large", map[string]any{"num_ctx": 5 * trained}, 0, 0, nodes.Settings{"num_ctx": 5 * trained}, false},
		} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				fake, b := start(t, nodetest.Options{Version: version})
				fake.Configure(func(s *nodetest.OllamaSettings) {
					s.Trained, s.Context, s.ModelContext = trained, test.server, map[string]int{"good": test.own}
					if test.own == 0 {
						s.ModelContext = nil
					}
				})
				fake.LoadBehindBack("good", test.loaded, -1)
				for range 2 {
					req := canary("good")
					req.Settings = test.knows
					if _, err := b.Chat(within(t, long), req); err != nil {
						t.Fatal(err)
					}
				}
				if n := fake.Reloads(); n != 0 {
					t.Errorf("the canary has reloaded the model %d times: it sent %s", n, fake.CallsTo(nodetest.Chats)[0].Body)
				}
				if got := snapshot(t, b).Loaded[0].Settings; len(test.knows.Unmet(got)) == 0 != test.met {
					t.Errorf("wanted %v, listed %v", test.knows, got)
				}
			})
		}
	}
}

// TestO13NewServersCompareWhatIsListed: with all that a model was trained for,
// and nothing known of how it was loaded.
func TestO13NewServersCompareWhatIsListed(t *testing.T) {
	fake, b := start(t, nodetest.Options{Version: "0.32.15"})
	fake.Configure(func(s *nodetest.OllamaSettings) { s.Trained = 8192 })
	fake.LoadBehindBack("good", map[string]any{"num_ctx": 20000}, -1)
	if _, err := b.Chat(within(t, long), canary("good")); err != nil {
		t.Fatal(err)
	}
	if n := fake.Reloads(); n != 0 {
		t.Errorf("the canary has reloaded the model: it sent %s", fake.CallsTo(nodetest.Chats)[0].Body)
	}
}

func TestO14SchedulerWedged(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.SchedulerWedged)
	_, err := b.Probe(within(t, short))
	wantFault(t, "probe", err, nodes.TimedOut)
	for _, part := range []string{"OL1", "/api/version answers", "/api/ps does not", "restart the server"} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	req := canary("good")
	req.FirstToken = short
	_, err = b.Chat(within(t, long), req)
	wantFault(t, "canary", err, nodes.TimedOut)
	fake.Mend()
	snapshot(t, b)
}
