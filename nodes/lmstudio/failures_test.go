package lmstudio_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The ways in which users see LM Studio fail, each told as what it is. Named by
// issue of lmstudio-ai/lmstudio-bug-tracker.
//
// Not to be seen over the network, and hence not here:
//
//	L10 memory not freed after an unload (#1618, #588): the list is empty either
//	    way; the next load fails for memory, which is L13 and L14
//	L16 memory leaks of the server and of its clients (#2105, #549, #1967): the
//	    host's memory tells; over the network only the end is seen, as L02
//	L19 a full disk ends the app (#1261, #46): connections are refused, as with
//	    any other end

func ids(s nodes.Snapshot) []string {
	list := []string{}
	for _, i := range s.Loaded {
		list = append(list, i.ID)
	}
	return list
}

func wantLoaded(t *testing.T, n *nodes.Node, want ...string) {
	t.Helper()
	s, err := n.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{}, want...), ids(s)); diff != "" {
		t.Errorf("listed as loaded (-want +got):\n%s", diff)
	}
}

func wantAnswer(t *testing.T, n *nodes.Node, model string) {
	t.Helper()
	req := ask(model)
	req.OnlyLoaded = true
	if reply, err := n.Ask(t.Context(), req); err != nil || reply.Text != answer {
		t.Errorf("got %q, %v; want %q", reply.Text, err, answer)
	}
}

// #1826, #1709, #1487, #7: the prompt stays at 0 %, the lists go on.
func TestL01GenerationHangs(t *testing.T) {
	for _, stream := range []bool{true, false} {
		fake, b := start(t, nodetest.Options{})
		n := node(t, b, good)
		fake.HangInstances()
		req := hurried(good)
		req.OnlyLoaded, req.Stream = true, stream
		_, err := n.Ask(t.Context(), req)
		wantFault(t, err, nodes.TimedOut)
		wantLoaded(t, n, good)
		// A hang that an unload ends was the model's, not the server's.
		if _, err := n.Ensure(t.Context(), nodes.Model{Name: good}, nodes.EnsureOptions{Reload: true}); err != nil {
			t.Fatal(err)
		}
		wantAnswer(t, n, good)
	}
}

// A request that hangs is ended by the unload of its model, with words.
func TestL01UnloadEndsWhatHangs(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.HangInstances()
	ended := make(chan error, 1)
	var asking sync.WaitGroup
	asking.Go(func() {
		_, err := b.Chat(t.Context(), ask(good))
		ended <- err
	})
	eventually(t, func() bool { return len(fake.CallsTo(nodetest.Chats)) == 1 })
	if err := b.Unload(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	asking.Wait()
	wantFault(t, <-ended, nodes.NotLoaded)
}

// #108: after hundreds of requests the server answers nothing any more.
func TestL02ServerStopsAnswering(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	_, err := b.Probe(ctx)
	wantFault(t, err, nodes.TimedOut)
	fake.Restart()
	wantLoaded(t, node(t, b, good))
}

// #1057, #1347: 400 and a string, while the list shows the model as loaded.
func TestL03ModelProcessCrashed(t *testing.T) {
	for _, native := range []bool{false, true} {
		for _, stream := range []bool{true, false} {
			fake, b := start(t, nodetest.Options{Loaded: []string{thinker}})
			n := node(t, b, thinker)
			fake.Break(nodetest.Crashed)
			req := ask(thinker)
			req.OnlyLoaded, req.NoThinking, req.Stream = true, native, stream
			_, err := n.Ask(t.Context(), req)
			wantFault(t, err, nodes.Crashed)
			if err == nil || !strings.Contains(err.Error(), "Exit code: 18446744072635812000") {
				t.Errorf("got %v, without the exit code", err)
			}
			wantLoaded(t, n, thinker)
			if _, err := n.Ensure(t.Context(), nodes.Model{Name: thinker}, nodes.EnsureOptions{Reload: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := n.Ask(t.Context(), req); err != nil {
				t.Errorf("after a reload: %v", err)
			}
		}
	}
}

// #946, #1476: an unload is acknowledged, and the model stays.
func TestL04ListedAndDead(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.Crashed)
	fake.Break(nodetest.UnloadOnlyAcknowledged)
	n, err := nodes.New(nodes.Node{Name: "M1", Backend: b, UnloadTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Ensure(t.Context(), nodes.Model{Name: good}, nodes.EnsureOptions{Reload: true})
	wantFault(t, err, nodes.UnloadStuck)
	if calls := fake.CallsTo(nodetest.Loads); len(calls) != 0 {
		t.Errorf("loaded beside what did not leave: %v", calls)
	}
}

// #1476, #671, #1796, #1182: the model leaves by itself.
func TestL05ModelVanished(t *testing.T) {
	for name, vanish := range map[string]func(*nodetest.LMStudio){
		"dropped": func(f *nodetest.LMStudio) { f.Drop() },
		"idle":    func(f *nodetest.LMStudio) { f.ExpireIn(0) },
		"evicted": func(f *nodetest.LMStudio) { f.Replace(other) },
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			n := node(t, b, good)
			vanish(fake)
			req := ask(good)
			req.OnlyLoaded = true
			_, err := n.Ask(t.Context(), req)
			wantFault(t, err, nodes.NotLoaded)
			if calls := fake.CallsTo(nodetest.Chats | nodetest.Loads); len(calls) != 0 {
				t.Errorf("the question loaded it: %v", calls)
			}
			if _, err := n.Ensure(t.Context(), nodes.Model{Name: good}, nodes.EnsureOptions{}); err != nil {
				t.Fatal(err)
			}
			wantLoaded(t, n, good)
			wantAnswer(t, n, good)
		})
	}
}

// #1959, #706, #191, #78: after a restart nothing is loaded, and all is well.
func TestL06NothingLoadedAfterARestart(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.Restart()
	s, err := b.Probe(t.Context())
	if err != nil || len(s.Loaded) != 0 || len(s.OnDisk) != 3 {
		t.Errorf("got %+v, %v; want everything on disk and nothing loaded", s, err)
	}
}

// #168, #1582, #634, #1751: every load makes one more.
func TestL07DuplicateInstances(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	for i, want := range []string{good, good + ":2", good + ":3"} {
		inst, err := b.Load(t.Context(), nodes.Model{Name: good})
		if err != nil || inst.ID != want {
			t.Fatalf("load %d: got %q, %v; want %q", i+1, inst.ID, err, want)
		}
	}
	n := node(t, b, good)
	wantLoaded(t, n, good, good+":2", good+":3")
	removed, err := n.TrimExtras(t.Context(), nodes.Model{Name: good})
	if err != nil || removed != 2 {
		t.Errorf("removed %d, %v", removed, err)
	}
	wantLoaded(t, n, good)
	var bodies []string
	for _, c := range fake.CallsTo(nodetest.Unloads) {
		bodies = append(bodies, c.Body)
	}
	want := []string{fmt.Sprintf(`{"instance_id":"%s:3"}`, good), fmt.Sprintf(`{"instance_id":"%s:2"}`, good)}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("unloaded, newest first (-want +got):\n%s", diff)
	}
}

// #1730, #1217, lms#107: a chat that should load says that nothing is loaded.
func TestL08NothingIsLoadedJustInTime(t *testing.T) {
	for _, stream := range []bool{true, false} {
		_, b := start(t, nodetest.Options{Loaded: []string{}}, func(s *nodetest.LMStudioSettings) { s.NoJIT = true })
		req := ask(good)
		req.Stream = stream
		_, err := b.Chat(t.Context(), req)
		wantFault(t, err, nodes.NotLoaded)
	}
}

// #619: a name that is not loaded is answered by whatever is.
func TestL09AnotherModelAnswers(t *testing.T) {
	noJIT := func(s *nodetest.LMStudioSettings) { s.NoJIT = true }
	for _, stream := range []bool{true, false} {
		fake, b := start(t, nodetest.Options{}, noJIT)
		n := node(t, b, other)
		req := ask(other)
		req.Stream = stream
		_, err := n.Ask(t.Context(), req)
		wantFault(t, err, nodes.WrongModel)
		// With two it cannot choose, and says so.
		fake.AddInstance(thinker)
		_, err = n.Ask(t.Context(), req)
		wantFault(t, err, nodes.ModelNotFound)
	}
}

// #298, #1937, #339: a load never ends, and its model is never listed.
func TestL11LoadHangs(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	fake.Break(nodetest.LoadHangs)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	_, err := b.Load(ctx, nodes.Model{Name: good})
	wantFault(t, err, nodes.TimedOut)
	wantLoaded(t, node(t, b, good))
}

// The ways in which a load fails, by the words: #1095, #1584, #914 (L12), #1631,
// #1562 (L13), #2295 (L14), #409 (L15).
func wantLoadError(t *testing.T, text string, want nodes.Fault, remedy string) {
	t.Helper()
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadRequest} {
		fake, b := start(t, nodetest.Options{Loaded: []string{}}, func(s *nodetest.LMStudioSettings) { s.LoadErrorStatus = status })
		fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: text})
		_, err := b.Load(t.Context(), nodes.Model{Name: good})
		wantFault(t, err, want)
		if err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("got %v, want %q in it", err, remedy)
		}
	}
}

func TestL12SystemSnapshotFailed(t *testing.T) {
	wantLoadError(t, "Failed to load model. Error: Attempt to pull a snapshot of system resources failed. Error: 'Cannot read properties of undefined'",
		nodes.LoadFailed, "restart LM Studio")
}

func TestL13GuardrailRefuses(t *testing.T) {
	wantLoadError(t, "Model loading was stopped due to insufficient system resources. Under the current settings, this model requires approximately 42.10 GB of memory",
		nodes.OutOfMemory, "guardrails")
	fake, b := start(t, nodetest.Options{})
	fake.Break(nodetest.MemoryNotFreed)
	_, err := node(t, b, good).Ensure(t.Context(), nodes.Model{Name: other}, nodes.EnsureOptions{})
	wantFault(t, err, nodes.OutOfMemory)
}

func TestL14LoadFailsWithoutAReason(t *testing.T) {
	wantLoadError(t, "", nodes.LoadFailed, "own log")
	wantLoadError(t, "The model process exited (SIGABRT)", nodes.LoadFailed, "own log")
}

func TestL15GPULost(t *testing.T) {
	const lost = "vk::Queue::submit: ErrorDeviceLost"
	wantLoadError(t, "Failed to load model. Error: "+lost, nodes.LoadFailed, "own log")
	for _, stream := range []bool{true, false} {
		fake, b := start(t, nodetest.Options{})
		fake.BreakWith(nodetest.ErrorFrame, nodetest.Detail{Text: lost})
		req := ask(good)
		req.Stream = stream
		_, err := b.Chat(t.Context(), req)
		wantFault(t, err, nodes.Crashed)
	}
}

// #1143: the stream closes without its end mark; asked for as a whole, the
// answer comes.
func TestL17StreamTruncated(t *testing.T) {
	for _, native := range []bool{false, true} {
		fake, b := start(t, nodetest.Options{Loaded: []string{thinker}})
		fake.Break(nodetest.NoEndMark)
		req := ask(thinker)
		req.NoThinking = native
		reply, err := b.Chat(t.Context(), req)
		wantFault(t, err, nodes.CutOff)
		if reply.Text != answer {
			t.Errorf("kept %q, want %q", reply.Text, answer)
		}
		req.Stream = false
		if reply, err := b.Chat(t.Context(), req); err != nil || reply.Text != answer {
			t.Errorf("as a whole: %q, %v", reply.Text, err)
		}
	}
}

// #2339, #2322: a prompt that doesn't fit is an error inside a 200, or an empty
// answer. Neither is the model's fault.
func TestL18PromptTooLong(t *testing.T) {
	small := func(s *nodetest.LMStudioSettings) { s.DefaultContext = 4 }
	empty := func(s *nodetest.LMStudioSettings) { s.DefaultContext, s.EmptyOverflow = 4, true }
	for _, native := range []bool{false, true} {
		for _, stream := range []bool{true, false} {
			for want, change := range map[nodes.Fault]func(*nodetest.LMStudioSettings){nodes.TooLong: small, nodes.Empty: empty} {
				_, b := start(t, nodetest.Options{Loaded: []string{thinker}}, change)
				req := ask(thinker)
				req.NoThinking, req.Stream = native, stream
				_, err := node(t, b, thinker).Ask(t.Context(), req)
				wantFault(t, err, want)
			}
		}
	}
	for _, words := range []string{
		"Trying to keep the first 5029 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens",
		"The number of tokens to keep from the initial prompt is greater than the context length.",
		"Context size has been exceeded.",
	} {
		fake, b := start(t, nodetest.Options{})
		fake.BreakWith(nodetest.ErrorFrame, nodetest.Detail{Text: words})
		_, err := b.Chat(t.Context(), ask(good))
		wantFault(t, err, nodes.TooLong)
	}
}

// #618, #2085: an unknown route is a success.
func TestL20UnknownRouteIsA200(t *testing.T) {
	fake, _ := start(t, nodetest.Options{})
	below := connect(t, fake.URL+"/openai", "")
	_, err := below.Probe(t.Context())
	wantFault(t, err, nodes.Protocol)
	_, err = below.Chat(t.Context(), ask(good))
	wantFault(t, err, nodes.Protocol)
	_, err = below.Load(t.Context(), nodes.Model{Name: good})
	wantFault(t, err, nodes.ReadOnly)
	wantFault(t, below.Unload(t.Context(), good), nodes.ReadOnly)
	if diff := cmp.Diff([]string{good}, fake.Loaded()); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
}

// #1881: a stream is silent for long while the model works. That is no fault
// unless the deadline says so.
func TestL21StreamSilentWhileGenerating(t *testing.T) {
	list := models()
	list[0].TokensPerSecond, list[2].TokensPerSecond = 5, 5 // 200 ms of silence each
	for _, native := range []bool{false, true} {
		_, b := start(t, nodetest.Options{Models: list, Loaded: []string{thinker}})
		req := ask(thinker)
		req.NoThinking, req.MaxTokens = native, 2
		if _, err := node(t, b, thinker).Ask(t.Context(), req); err != nil {
			t.Errorf("a generous deadline: %v", err)
		}
		req.BetweenTokens = 50 * time.Millisecond
		_, err := node(t, b, thinker).Ask(t.Context(), req)
		wantFault(t, err, nodes.TimedOut)
	}
}
