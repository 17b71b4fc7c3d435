package lmstudio_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestLoadKeys(t *testing.T) {
	want := []string{"context_length", "eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu", "parallel"}
	if diff := cmp.Diff(want, lmstudio.LoadKeys()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	got, err := b.Load(t.Context(), nodes.Model{Name: good, Settings: nodes.Settings{
		"context_length": "8192", "flash_attention": "false", "eval_batch_size": 256.0, "num_experts": json.Number("4"), "offload_kv_cache_to_gpu": true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := nodes.Instance{ID: good, Model: good, Settings: nodes.Settings{
		"context_length": int64(8192), "flash_attention": false, "eval_batch_size": int64(256), "num_experts": int64(4),
		"offload_kv_cache_to_gpu": true, "parallel": int64(4),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("instance (-want +got):\n%s", diff)
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(fake.CallsTo(nodetest.Loads)[0].Body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"model": good, "echo_load_config": true,
		"context_length": 8192.0, "flash_attention": false, "eval_batch_size": 256.0, "num_experts": 4.0, "offload_kv_cache_to_gpu": true,
	}, sent); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestLoadRefusesSettingsBeforeAsking(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	for name, test := range map[string]struct {
		settings nodes.Settings
		want     string
	}{
		"not a setting":         {nodes.Settings{"ttl": 60}, `no load setting "ttl"; use context_length, eval_batch_size`},
		"another engine's":      {nodes.Settings{"num_ctx": 8192}, `no load setting "num_ctx"`},
		"the model":             {nodes.Settings{"model": "x"}, `no load setting "model"`},
		"not a number":          {nodes.Settings{"context_length": "much"}, "context_length is much; make it a whole number"},
		"half a number":         {nodes.Settings{"context_length": 0.5}, "context_length is 0.5"},
		"none":                  {nodes.Settings{"context_length": 0}, "context_length is 0"},
		"negative":              {nodes.Settings{"num_experts": -1}, "num_experts is -1"},
		"no number at all":      {nodes.Settings{"context_length": "NaN"}, "context_length is NaN"},
		"nothing":               {nodes.Settings{"context_length": nil}, "context_length is <nil>"},
		"neither true or false": {nodes.Settings{"flash_attention": "maybe"}, "flash_attention is maybe; make it true or false"},
		"a number for a truth":  {nodes.Settings{"flash_attention": 1}, "flash_attention is 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Load(t.Context(), nodes.Model{Name: good, Settings: test.settings})
			wantFault(t, err, nodes.BadRequest)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
	if n := len(fake.Calls()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestLoadOfASettingThatTheServerDoesNotKnow(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	m := nodes.Model{Name: good, Settings: nodes.Settings{"parallel": 2}}
	_, err := b.Load(t.Context(), m)
	wantFault(t, err, nodes.BadRequest)
	for _, words := range []string{"'parallel'", "take the setting out"} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q in it", err, words)
		}
	}
	fake.Configure(func(s *nodetest.LMStudioSettings) { s.AcceptParallel = true })
	inst, err := b.Load(t.Context(), m)
	if err != nil || inst.Settings["parallel"] != int64(2) {
		t.Errorf("got %v, %v; want it loaded with 2", inst, err)
	}
}

func TestLoadFaults(t *testing.T) {
	text := func(s string) nodetest.Detail { return nodetest.Detail{Text: s} }
	for name, test := range map[string]struct {
		fault  nodetest.Fault
		detail nodetest.Detail
		model  string
		want   nodes.Fault
	}{
		"not on disk":          {model: "nobody/nothing", want: nodes.ModelNotFound},
		"down":                 {fault: nodetest.Down, want: nodes.Refused},
		"cut off":              {fault: nodetest.CutOff, want: nodes.CutOff},
		"500":                  {fault: nodetest.Status500, want: nodes.ServerFailed},
		"401":                  {fault: nodetest.Unauthorized, want: nodes.Unauthorized},
		"429":                  {fault: nodetest.TooManyRequests, want: nodes.Busy},
		"not JSON":             {fault: nodetest.NotJSON, want: nodes.Protocol},
		"the engine failed":    {fault: nodetest.LoadFails, want: nodes.LoadFailed},
		"CUDA out of memory":   {fault: nodetest.LoadFails, detail: text("llama_model_load: CUDA error: out of memory"), want: nodes.OutOfMemory},
		"cudaMalloc":           {fault: nodetest.LoadFails, detail: text("cudaMalloc failed: unable to allocate"), want: nodes.OutOfMemory},
		"Vulkan out of memory": {fault: nodetest.LoadFails, detail: text("vk::Device::allocateMemory: ErrorOutOfDeviceMemory"), want: nodes.OutOfMemory},
		"failed to allocate":   {fault: nodetest.LoadFails, detail: text("Failed to load model. Error: failed to allocate compute pp buffers"), want: nodes.OutOfMemory},
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t, nodetest.Options{Loaded: []string{}})
			if test.fault != "" {
				fake.BreakWith(test.fault, test.detail)
			}
			if test.model == "" {
				test.model = good
			}
			_, err := b.Load(t.Context(), nodes.Model{Name: test.model})
			wantFault(t, err, test.want)
			if got := fake.Loaded(); len(got) != 0 {
				t.Errorf("loaded %v", got)
			}
		})
	}
}

// TestLoadErrorsWhateverTheirStatus: with which status LM Studio tells of a
// failed load is not documented; the words are what counts.
func TestLoadErrorsWhateverTheirStatus(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		fake, b := start(t, nodetest.Options{Loaded: []string{}}, func(s *nodetest.LMStudioSettings) { s.LoadErrorStatus = status })
		fake.Break(nodetest.LoadFails)
		_, err := b.Load(t.Context(), nodes.Model{Name: good})
		wantFault(t, err, nodes.LoadFailed)
	}
}

func TestLoadAndUnloadOfAServerBefore04(t *testing.T) {
	_, b := start(t, nodetest.Options{Version: "0.3.30"})
	_, err := b.Load(t.Context(), nodes.Model{Name: good})
	wantFault(t, err, nodes.ReadOnly)
	wantFault(t, b.Unload(t.Context(), good), nodes.ReadOnly)
	wantFault(t, b.Download(t.Context(), good, nil), nodes.ReadOnly)
	_, err = node(t, b, good).Ensure(t.Context(), nodes.Model{Name: other}, nodes.EnsureOptions{})
	wantFault(t, err, nodes.ReadOnly)
}

func TestUnload(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.AddInstance(good)
	if err := b.Unload(t.Context(), good+":2"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{good}, fake.Loaded()); diff != "" {
		t.Errorf("loaded (-want +got):\n%s", diff)
	}
	// Nothing there is what was wanted.
	if err := b.Unload(t.Context(), good+":2"); err != nil {
		t.Errorf("again: %v", err)
	}
	// An instance's id is case-sensitive, other than a key.
	if err := b.Unload(t.Context(), strings.ToLower(good)); err != nil || len(fake.Loaded()) != 1 {
		t.Errorf("in another case: %v, loaded %v", err, fake.Loaded())
	}
}

// TestEnsure goes through the node, whose rules need the engine's truths.
func TestEnsure(t *testing.T) {
	t.Run("leaves alone what is loaded, in any spelling", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{})
		inst, err := node(t, b, good).Ensure(t.Context(), nodes.Model{Name: strings.ToUpper(good)}, nodes.EnsureOptions{})
		if err != nil || inst.ID != good || len(fake.CallsTo(nodetest.Loads|nodetest.Unloads)) != 0 {
			t.Errorf("got %v, %v after %v", inst, err, fake.CallsTo(nodetest.Loads|nodetest.Unloads))
		}
	})
	t.Run("swaps, and leaves an embedding model in peace", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{})
		fake.AddInstance(index)
		if _, err := node(t, b, other).Ensure(t.Context(), nodes.Model{Name: other}, nodes.EnsureOptions{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{index, other}, fake.Loaded()); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
	})
	t.Run("reloads for other settings, once", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{})
		m := nodes.Model{Name: good, Settings: nodes.Settings{"context_length": 8192}}
		for range 2 {
			if _, err := node(t, b, good).Ensure(t.Context(), m, nodes.EnsureOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(fake.CallsTo(nodetest.Loads)); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
	t.Run("takes MLX as it comes, and loads it once", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{Loaded: []string{}}, func(s *nodetest.LMStudioSettings) { s.MLX = []string{good} })
		m := nodes.Model{Name: good, Settings: nodes.Settings{"context_length": 8192}}
		inst, err := b.Load(t.Context(), m)
		if err != nil || inst.Settings["context_length"] != int64(131072) {
			t.Fatalf("got %v, %v; want to be told what it runs with", inst, err)
		}
		if _, err := node(t, b, good).Ensure(t.Context(), m, nodes.EnsureOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := len(fake.CallsTo(nodetest.Loads)); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
	t.Run("loads nothing where a build hides what is loaded", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{}, func(s *nodetest.LMStudioSettings) { s.HideInstances = true })
		if _, err := node(t, b, good).Ensure(t.Context(), nodes.Model{Name: good}, nodes.EnsureOptions{}); err != nil {
			t.Fatal(err)
		}
		if n := len(fake.CallsTo(nodetest.Loads)); n != 0 {
			t.Errorf("%d loads, want none", n)
		}
	})
	t.Run("one load for many at once", func(t *testing.T) {
		fake, b := start(t, nodetest.Options{Loaded: []string{}})
		n := node(t, b, good)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := n.Ensure(t.Context(), nodes.Model{Name: good}, nodes.EnsureOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if diff := cmp.Diff([]string{good}, fake.Loaded()); diff != "" {
			t.Errorf("loaded (-want +got):\n%s", diff)
		}
	})
}

// TestLoadGoesOnWithoutItsClient: a load whose client left may still succeed, so
// that the next repair must list before it loads.
func TestLoadGoesOnWithoutItsClient(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	list := models()
	list[0].LoadTime = 200 * time.Millisecond
	fake.SetModels(list...)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := b.Load(ctx, nodes.Model{Name: good})
		ended <- err
	}()
	eventually(t, func() bool { return len(fake.CallsTo(nodetest.Loads)) == 1 })
	leave()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	eventually(t, func() bool { return len(fake.Loaded()) == 1 })
}

// TestNoSecondLoadOnAClosedConnection: a server that closes a connection under
// a load must not make the client send it again by itself.
func TestNoSecondLoadOnAClosedConnection(t *testing.T) {
	fake, b := start(t, nodetest.Options{Loaded: []string{}})
	if _, err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.Configure(func(s *nodetest.LMStudioSettings) { s.CloseReused = true })
	if _, err := b.Probe(t.Context()); err != nil { // marks the connection
		t.Fatal(err)
	}
	_, err := b.Load(t.Context(), nodes.Model{Name: good})
	wantFault(t, err, nodes.CutOff)
	if n := len(fake.CallsTo(nodetest.Loads)); n != 1 {
		t.Errorf("%d loads were sent", n)
	}
}

func eventually(t *testing.T, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("never came true")
		}
	}
}
