package llamacpp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
)

const key = "secret-of-llama"

func backend(t *testing.T, url string) *llamacpp.Backend {
	t.Helper()
	b, err := llamacpp.New(nodes.Connection{Node: "L1", URL: url, Key: nodes.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var twoModels = []nodetest.Model{{Name: "one", LoadTime: 30 * time.Millisecond}, {Name: "two", LoadTime: 30 * time.Millisecond}}

func router(t *testing.T) (*nodetest.LlamaCPP, *llamacpp.Backend) {
	t.Helper()
	fake := nodetest.NewLlamaCPPRouter(t, nodetest.Options{Models: twoModels})
	return fake, backend(t, fake.URL)
}

func single(t *testing.T) (*nodetest.LlamaCPP, *llamacpp.Backend) {
	t.Helper()
	fake := nodetest.NewLlamaCPP(t, nodetest.Options{Models: twoModels})
	return fake, backend(t, fake.URL)
}

func question(model string) nodes.ChatRequest {
	return nodes.ChatRequest{Model: model, Stream: true, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2+2?"}}}
}

func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		start    func(*testing.T, nodetest.Options) *nodetest.LlamaCPP
		other    string
		settings nodetest.LlamaCPPSettings
	}{
		"one model": {func(t *testing.T, o nodetest.Options) *nodetest.LlamaCPP { return nodetest.NewLlamaCPP(t, o) }, "",
			nodetest.LlamaCPPSettings{}},
		"router": {func(t *testing.T, o nodetest.Options) *nodetest.LlamaCPP { return nodetest.NewLlamaCPPRouter(t, o) }, "two",
			nodetest.LlamaCPPSettings{}},
		"router without autoload": {func(t *testing.T, o nodetest.Options) *nodetest.LlamaCPP { return nodetest.NewLlamaCPPRouter(t, o) }, "two",
			nodetest.LlamaCPPSettings{NoAutoload: true, Reasoning: "think"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodetest.Run(t, func(t *testing.T) nodetest.Subject {
				fake := test.start(t, nodetest.Options{Key: key, Models: twoModels})
				fake.Configure(func(s *nodetest.LlamaCPPSettings) { *s = test.settings })
				return nodetest.Subject{
					Backend: backend(t, fake.URL), Node: "L1", Key: nodes.NewSecret(key),
					Model: "one", Other: test.other, Faulty: fake,
				}
			})
		})
	}
}

func TestProbe(t *testing.T) {
	const gib = 1 << 30
	ctx := nodes.Settings{"ctx_size": 4096}
	one := nodes.Instance{ID: "one", Model: "one", Size: gib, Settings: ctx}
	asleep := one
	asleep.Sleeping = true
	for name, test := range map[string]struct {
		router bool
		change func(*nodetest.LlamaCPP)
		want   nodes.Snapshot
	}{
		"one model": {false, func(*nodetest.LlamaCPP) {},
			nodes.Snapshot{ReadOnly: true, OnDisk: []nodes.File{{Name: "one", Size: gib}}, Loaded: []nodes.Instance{one}}},
		"one model that sleeps": {false, func(f *nodetest.LlamaCPP) { f.Sleep() },
			nodes.Snapshot{ReadOnly: true, OnDisk: []nodes.File{{Name: "one", Size: gib}}, Loaded: []nodes.Instance{asleep}}},
		"a router": {true, func(*nodetest.LlamaCPP) {},
			nodes.Snapshot{OnDisk: []nodes.File{{Name: "one", Size: gib}, {Name: "two"}}, Loaded: []nodes.Instance{one}}},
		"a router, nothing loaded": {true, func(f *nodetest.LlamaCPP) { f.Drop() },
			nodes.Snapshot{OnDisk: []nodes.File{{Name: "one"}, {Name: "two"}}}},
		"a router, its model asleep": {true, func(f *nodetest.LlamaCPP) { f.Sleep() },
			nodes.Snapshot{OnDisk: []nodes.File{{Name: "one", Size: gib}, {Name: "two"}}, Loaded: []nodes.Instance{asleep}}},
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := single(t)
			if test.router {
				fake, b = router(t)
			}
			test.change(fake)
			got, err := b.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			test.want.Version = "b11669-Debian"
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(nodes.Snapshot{}, "Latency"), cmpopts.IgnoreFields(nodes.Instance{}, "Process")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProbeOfOtherServers(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   nodes.Fault
	}{
		"loading":            {503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, nodes.Busy},
		"LM Studio":          {200, `{"error":"Unexpected endpoint or method. (GET /props)"}`, nodes.WrongEngine},
		"an empty object":    {200, `{}`, nodes.WrongEngine},
		"props without list": {200, `{"build_info":"b1"}`, nodes.WrongEngine},
		"not there":          {404, `404 page not found`, nodes.WrongEngine},
		"a wrong key":        {401, `{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}`, nodes.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer srv.Close()
			if _, err := backend(t, srv.URL).Probe(t.Context()); nodes.FaultOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestStartingIsBusy(t *testing.T) {
	fake, b := single(t)
	fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.Starting = true })
	_, probe := b.Probe(t.Context())
	_, chat := b.Chat(t.Context(), question("one"))
	if !errors.Is(probe, nodes.Busy) || !errors.Is(chat, nodes.Busy) {
		t.Errorf("got %v and %v, want %v", probe, chat, nodes.Busy)
	}
}

func TestOneModelIsReadOnly(t *testing.T) {
	fake, b := single(t)
	_, load := b.Load(t.Context(), nodes.Model{Name: "one"})
	for what, err := range map[string]error{
		"load": load, "unload": b.Unload(t.Context(), "one"), "download": b.Download(t.Context(), "a/b", nil),
	} {
		if !errors.Is(err, nodes.ReadOnly) || !strings.Contains(err.Error(), "router mode") {
			t.Errorf("%s: got %v, want %v and what to do", what, err, nodes.ReadOnly)
		}
	}
	if calls := fake.CallsTo(nodetest.Loads | nodetest.Unloads); len(calls) > 0 {
		t.Errorf("asked for what it can't: %+v", calls)
	}
}

func TestLoad(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*nodetest.LlamaCPP)
		model  nodes.Model
		want   nodes.Fault
		detail string
	}{
		"another model":    {func(*nodetest.LlamaCPP) {}, nodes.Model{Name: "two"}, "", ""},
		"the loaded one":   {func(*nodetest.LlamaCPP) {}, nodes.Model{Name: "one"}, "", ""},
		"by its alias":     {alias, nodes.Model{Name: "zwei"}, "", ""},
		"one that sleeps":  {asleep, nodes.Model{Name: "one"}, "", ""},
		"unknown":          {func(*nodetest.LlamaCPP) {}, nodes.Model{Name: "nope"}, nodes.ModelNotFound, `does not list "nope"`},
		"with a setting":   {func(*nodetest.LlamaCPP) {}, nodes.Model{Name: "two", Settings: nodes.Settings{"ctx_size": 1}}, nodes.BadRequest, "ctx_size"},
		"its process dies": {func(f *nodetest.LlamaCPP) { f.Break(nodetest.LoadFails) }, nodes.Model{Name: "two"}, nodes.LoadFailed, "exit code 1"},
		"it failed before": {failedBefore, nodes.Model{Name: "two"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := router(t)
			test.change(fake)
			inst, err := b.Load(t.Context(), test.model)
			if nodes.FaultOf(err) != test.want || (err == nil) != (test.want == "") {
				t.Fatalf("got %v, want fault %q", err, test.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), test.detail) {
					t.Errorf("%q is not in %v", test.detail, err)
				}
				return
			}
			s, err := b.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range s.Loaded {
				if i.ID == inst.ID && !i.Loading {
					return
				}
			}
			t.Errorf("%+v is not ready among %+v", inst, s.Loaded)
		})
	}
}

func alias(f *nodetest.LlamaCPP) {
	f.Configure(func(s *nodetest.LlamaCPPSettings) { s.Aliases = map[string][]string{"two": {"zwei"}} })
}

func asleep(f *nodetest.LlamaCPP) {
	f.Sleep()
}

// failedBefore leaves the mark of an earlier failure in the list.
func failedBefore(f *nodetest.LlamaCPP) {
	f.BreakWith(nodetest.LoadFails, nodetest.Detail{Times: 1})
	b, err := llamacpp.New(nodes.Connection{Node: "L1", URL: f.URL})
	if err != nil {
		panic(err)
	}
	if _, err := b.Load(context.Background(), nodes.Model{Name: "two"}); !errors.Is(err, nodes.LoadFailed) {
		panic(err)
	}
}

func TestLoadThatNeverEndsIsBounded(t *testing.T) {
	fake, b := router(t)
	fake.Break(nodetest.LoadHangs)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Load(ctx, nodes.Model{Name: "two"})
	if !errors.Is(err, nodes.TimedOut) || !strings.Contains(err.Error(), "two is still loading") {
		t.Errorf("got %v, want %v", err, nodes.TimedOut)
	}
	s, err := b.Probe(t.Context())
	if err != nil || len(s.Loaded) != 2 || !s.Loaded[1].Loading {
		t.Errorf("got %+v, %v; want it listed as loading", s.Loaded, err)
	}
	if err := b.Unload(t.Context(), "two"); err != nil {
		t.Errorf("unload of one that loads: %v", err)
	}
	if got := fake.Loaded(); len(got) != 1 {
		t.Errorf("left is %q", got)
	}
}

func TestRouterEvictsSilently(t *testing.T) {
	fake, b := router(t)
	fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.ModelsMax = 1 })
	if _, err := b.Load(t.Context(), nodes.Model{Name: "two"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"two"}, fake.Loaded()); diff != "" {
		t.Error(diff)
	}
}

func TestChatOfAnUnknownModel(t *testing.T) {
	_, b := router(t)
	if _, err := b.Chat(t.Context(), question("nope")); !errors.Is(err, nodes.ModelNotFound) {
		t.Errorf("router: got %v, want %v", err, nodes.ModelNotFound)
	}
	_, b = single(t)
	req := question("nope")
	reply, err := b.Chat(t.Context(), req)
	if err != nil || reply.Model != "one" {
		t.Errorf("one model: got %+v, %v; it answers for every name, as itself", reply, err)
	}
	req.OnlyLoaded = true
	if _, err := b.Chat(t.Context(), req); !errors.Is(err, nodes.ModelNotFound) {
		t.Errorf("one model, only loaded: got %v, want %v", err, nodes.ModelNotFound)
	}
}

func TestOnlyLoadedWakesNobody(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*nodetest.LlamaCPP, *llamacpp.Backend){"one model": single, "router": router} {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t)
			fake.Sleep()
			req := question("one")
			req.OnlyLoaded = true
			if _, err := b.Chat(t.Context(), req); !errors.Is(err, nodes.Asleep) {
				t.Errorf("got %v, want %v", err, nodes.Asleep)
			}
			if calls := fake.CallsTo(nodetest.Chats); len(calls) > 0 {
				t.Errorf("asked: %+v", calls)
			}
		})
	}
}

// slipsAway unloads the model after the list that showed it.
type slipsAway struct{ fake *nodetest.LlamaCPP }

func (s slipsAway) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		s.fake.Drop()
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestOnlyLoadedWhileTheModelSlipsAway(t *testing.T) {
	fake, _ := router(t)
	b, err := llamacpp.New(nodes.Connection{Node: "L1", URL: fake.URL, Transport: slipsAway{fake}})
	if err != nil {
		t.Fatal(err)
	}
	req := question("one")
	req.OnlyLoaded = true
	if _, err := b.Chat(t.Context(), req); !errors.Is(err, nodes.NotLoaded) {
		t.Errorf("got %v, want %v", err, nodes.NotLoaded)
	}
	if got := fake.Loaded(); len(got) != 0 {
		t.Errorf("the question loaded %q", got)
	}
}

func TestChatFaults(t *testing.T) {
	long := question("one")
	long.Messages[0].Text = strings.Repeat("word ", 5000)
	whole := question("one")
	whole.Stream = false
	for name, test := range map[string]struct {
		change func(*nodetest.LlamaCPP)
		req    nodes.ChatRequest
		want   nodes.Fault
	}{
		"prompt too long":               {func(*nodetest.LlamaCPP) {}, long, nodes.TooLong},
		"process killed in a stream":    {func(f *nodetest.LlamaCPP) { f.Break(nodetest.Crashed) }, question("one"), nodes.Crashed},
		"process killed, no stream":     {func(f *nodetest.LlamaCPP) { f.Break(nodetest.Crashed) }, whole, nodes.Crashed},
		"asked for one that won't load": {func(f *nodetest.LlamaCPP) { f.Break(nodetest.LoadFails) }, question("two"), nodes.LoadFailed},
		"no autoload": {func(f *nodetest.LlamaCPP) { f.Configure(func(s *nodetest.LlamaCPPSettings) { s.NoAutoload = true }) },
			question("two"), nodes.NotLoaded},
	} {
		t.Run(name, func(t *testing.T) {
			fake, b := router(t)
			test.change(fake)
			if _, err := b.Chat(t.Context(), test.req); nodes.FaultOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestInFlight(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*nodetest.LlamaCPP, *llamacpp.Backend){"one model": single, "router": router} {
		t.Run(name, func(t *testing.T) {
			fake, b := start(t)
			fake.Break(nodetest.HangMidAnswer)
			started := make(chan struct{})
			ended := make(chan error, 1)
			req := question("one")
			req.OnToken = func(string) { close(started) }
			go func() {
				_, err := b.Chat(t.Context(), req)
				ended <- err
			}()
			<-started
			if n, err := b.InFlight(t.Context()); n != 1 || err != nil {
				t.Errorf("got %d, %v; want the one that hangs", n, err)
			}
			fake.Mend()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.NoSlots = true })
			if _, err := b.InFlight(t.Context()); !errors.Is(err, nodes.ReadOnly) || !strings.Contains(err.Error(), "--slots") {
				t.Errorf("without slots: got %v, want %v", err, nodes.ReadOnly)
			}
		})
	}
}

func TestUnloadOfAHungProcessEndsIt(t *testing.T) {
	fake, b := router(t)
	fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.KillTime = 50 * time.Millisecond })
	fake.Break(nodetest.Wedged)
	n, err := nodes.New(nodes.Node{Name: "L1", Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Ensure(t.Context(), nodes.Model{Name: "one"}, nodes.EnsureOptions{Reload: true}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"one"}, fake.Loaded()); diff != "" {
		t.Error(diff)
	}
}

func TestDownload(t *testing.T) {
	const name = "user/repo:Q4_K_M"
	t.Run("comes", func(t *testing.T) {
		_, b := router(t)
		var seen []nodes.Progress
		if err := b.Download(t.Context(), name, func(p nodes.Progress) { seen = append(seen, p) }); err != nil {
			t.Fatal(err)
		}
		want := []nodes.Progress{
			{Status: "downloading", Total: 1 << 30}, {Status: "downloading", Completed: 1 << 28, Total: 1 << 30},
			{Status: "downloading", Completed: 2 << 28, Total: 1 << 30}, {Status: "downloading", Completed: 3 << 28, Total: 1 << 30},
			{Status: "downloaded"},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
		if _, err := b.Load(t.Context(), nodes.Model{Name: name}); err != nil {
			t.Errorf("load of it: %v", err)
		}
		if err := b.Download(t.Context(), name, nil); err != nil {
			t.Errorf("what is there already: %v", err)
		}
	})
	t.Run("fails", func(t *testing.T) {
		fake, b := router(t)
		fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.DownloadFails = true })
		if err := b.Download(t.Context(), name, nil); !errors.Is(err, nodes.ModelNotFound) {
			t.Errorf("got %v, want %v", err, nodes.ModelNotFound)
		}
	})
	t.Run("is no name", func(t *testing.T) {
		_, b := router(t)
		if err := b.Download(t.Context(), "repo", nil); !errors.Is(err, nodes.BadRequest) {
			t.Errorf("got %v, want %v", err, nodes.BadRequest)
		}
	})
	t.Run("is cancelled", func(t *testing.T) {
		_, b := router(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := b.Download(ctx, name, func(nodes.Progress) { cancel() })
		if !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
			t.Errorf("got %v, want the cancellation", err)
		}
	})
}
