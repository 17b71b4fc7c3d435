package nodes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// memory is a backend without a server.
type memory struct {
	mu        sync.Mutex
	disk      []nodes.File
	loaded    []nodes.Instance
	readOnly  bool
	log       []string
	loadTime  time.Duration
	loadErr   error
	unloadErr error
	stuck     bool // unloads are only acknowledged
	lost      bool // loads are only acknowledged
	probeErr  error
	twice     bool // each load makes two
	refuses   string
	active    int
	reply     nodes.ChatReply
}

func (m *memory) Probe(ctx context.Context) (nodes.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nodes.Snapshot{}, err
	}
	return nodes.Snapshot{OnDisk: slices.Clone(m.disk), Loaded: slices.Clone(m.loaded), ReadOnly: m.readOnly}, m.probeErr
}

func (m *memory) Chat(context.Context, nodes.ChatRequest) (nodes.ChatReply, error) {
	return m.reply, nil
}

func (m *memory) CheckSettings(s nodes.Settings) error {
	if _, bad := s[m.refuses]; bad && m.refuses != "" {
		return &nodes.Error{Node: "M1", Action: "load", Fault: nodes.BadRequest, Detail: m.refuses}
	}
	return nil
}

func (m *memory) Canonical(name string) string { return strings.TrimSuffix(name, ":latest") }

func (m *memory) Load(ctx context.Context, model nodes.Model) (nodes.Instance, error) {
	m.mu.Lock()
	m.log = append(m.log, "load "+model.Name)
	if m.active++; m.active > 1 {
		m.log = append(m.log, "two at once")
	}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.active--
		m.mu.Unlock()
	}()
	select {
	case <-time.After(m.loadTime):
	case <-ctx.Done():
		return nodes.Instance{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loadErr != nil {
		return nodes.Instance{}, m.loadErr
	}
	inst := nodes.Instance{ID: model.Name, Model: model.Name, Settings: model.Settings}
	if !m.lost {
		m.loaded = append(m.loaded, inst)
	}
	if m.twice {
		m.loaded = append(m.loaded, nodes.Instance{ID: model.Name + ":2", Model: model.Name})
	}
	return inst, nil
}

func (m *memory) Unload(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, "unload "+id)
	if !m.stuck {
		m.loaded = slices.DeleteFunc(m.loaded, func(i nodes.Instance) bool { return i.ID == id })
	}
	return m.unloadErr
}

func (m *memory) state() (loaded, log []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.loaded {
		loaded = append(loaded, i.ID)
	}
	return loaded, slices.Clone(m.log)
}

func ids(list ...string) (out []nodes.Instance) {
	for _, id := range list {
		name, _, _ := strings.Cut(id, ":")
		out = append(out, nodes.Instance{ID: id, Model: name})
	}
	return out
}

func newNode(t *testing.T, m nodes.Backend, change func(*nodes.Node)) *nodes.Node {
	t.Helper()
	n := nodes.Node{Name: "M1", Backend: m}
	if change != nil {
		change(&n)
	}
	node, err := nodes.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

var disk = []nodes.File{{Name: "a", Size: 8 << 30, Digest: "da"}, {Name: "b", Size: 40 << 30, Digest: "db"}}

func TestEnsure(t *testing.T) {
	ctx := nodes.Settings{"ctx": 8192}
	for name, test := range map[string]struct {
		memory *memory
		node   func(*nodes.Node)
		model  nodes.Model
		reload bool
		want   nodes.Fault
		loaded []string
		log    []string
	}{
		"nothing loaded":           {&memory{disk: disk}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"load a"}},
		"loaded already":           {&memory{disk: disk, loaded: ids("a")}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, nil},
		"loaded by another name":   {&memory{disk: disk, loaded: ids("a")}, nil, nodes.Model{Name: "a:latest"}, false, "", []string{"a"}, nil},
		"reload":                   {&memory{disk: disk, loaded: ids("a")}, nil, nodes.Model{Name: "a"}, true, "", []string{"a"}, []string{"unload a", "load a"}},
		"another is loaded":        {&memory{disk: disk, loaded: ids("b")}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload b", "load a"}},
		"another beside it":        {&memory{disk: disk, loaded: ids("b", "a")}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload b"}},
		"three of it":              {&memory{disk: disk, loaded: ids("a", "a:2", "a:3")}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload a:3", "unload a:2"}},
		"a load makes two":         {&memory{disk: disk, twice: true}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"load a", "unload a:2"}},
		"still loading":            {&memory{disk: disk, loaded: []nodes.Instance{{ID: "a", Model: "a", Loading: true}}}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload a", "load a"}},
		"on its way out":           {&memory{disk: disk, loaded: []nodes.Instance{{ID: "a", Model: "a", Stopping: true}}}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload a", "load a"}},
		"with other settings":      {&memory{disk: disk, loaded: []nodes.Instance{{ID: "a", Model: "a", Settings: nodes.Settings{"ctx": 4096}}}}, nil, nodes.Model{Name: "a", Settings: ctx}, false, "", []string{"a"}, []string{"unload a", "load a"}},
		"settings it doesn't tell": {&memory{disk: disk, loaded: ids("a")}, nil, nodes.Model{Name: "a", Settings: ctx}, false, "", []string{"a"}, nil},
		"from an older file":       {&memory{disk: disk, loaded: []nodes.Instance{{ID: "a", Model: "a", Digest: "old"}}}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload a", "load a"}},
		"files are not listed":     {&memory{}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"load a"}},

		"refused: not on disk":     {&memory{disk: disk, loaded: ids("a")}, nil, nodes.Model{Name: "c"}, false, nodes.ModelNotFound, []string{"a"}, nil},
		"refused: nothing on disk": {&memory{disk: []nodes.File{}}, nil, nodes.Model{Name: "c"}, false, nodes.ModelNotFound, nil, nil},
		"refused: too large":       {&memory{disk: disk, loaded: ids("a")}, func(n *nodes.Node) { n.Memory = 24 << 30 }, nodes.Model{Name: "b"}, false, nodes.TooLarge, []string{"a"}, nil},
		"refused: read-only":       {&memory{disk: disk, loaded: ids("a"), readOnly: true}, nil, nodes.Model{Name: "b"}, false, nodes.ReadOnly, []string{"a"}, nil},
		"refused: a setting":       {&memory{disk: disk, loaded: ids("a"), refuses: "ctx"}, nil, nodes.Model{Name: "a", Settings: ctx}, true, nodes.BadRequest, []string{"a"}, nil},
		"the probe fails":          {&memory{loaded: ids("a"), probeErr: &nodes.Error{Fault: nodes.Refused}}, nil, nodes.Model{Name: "a"}, true, nodes.Refused, []string{"a"}, nil},
		"the load fails":           {&memory{disk: disk, loadErr: &nodes.Error{Fault: nodes.LoadFailed}}, nil, nodes.Model{Name: "a"}, false, nodes.LoadFailed, nil, []string{"load a"}},
		"the load is too slow":     {&memory{disk: disk, loadTime: time.Hour}, nil, nodes.Model{Name: "a"}, false, nodes.TimedOut, nil, []string{"load a"}},
		"slow, and time enough":    {&memory{disk: disk, loadTime: time.Hour}, func(n *nodes.Node) { n.LoadTimeout = 2 * time.Hour }, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"load a"}},
		"loaded, and not listed":   {&memory{disk: disk, lost: true}, nil, nodes.Model{Name: "a"}, false, nodes.LoadFailed, nil, []string{"load a"}},
		"the unload fails":         {&memory{disk: disk, loaded: ids("b"), unloadErr: &nodes.Error{Fault: nodes.ServerFailed}}, nil, nodes.Model{Name: "a"}, false, nodes.ServerFailed, nil, []string{"unload b"}},
		"the unload is stuck":      {&memory{disk: disk, loaded: ids("b"), stuck: true}, nil, nodes.Model{Name: "a"}, false, nodes.UnloadStuck, []string{"b"}, []string{"unload b"}},
		"gone before its unload":   {&memory{disk: disk, loaded: ids("b"), unloadErr: &nodes.Error{Fault: nodes.NotLoaded}}, nil, nodes.Model{Name: "a"}, false, "", []string{"a"}, []string{"unload b", "load a"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, test.memory, test.node)
				inst, err := n.Ensure(t.Context(), test.model, nodes.EnsureOptions{Reload: test.reload})
				if nodes.FaultOf(err) != test.want || (err == nil) != (test.want == "") {
					t.Fatalf("got %v, want fault %q", err, test.want)
				}
				if err == nil && !n.Same(inst.Model, test.model.Name) {
					t.Errorf("got instance %+v", inst)
				}
				loaded, log := test.memory.state()
				if diff := cmp.Diff([][]string{test.loaded, test.log}, [][]string{loaded, log}); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestEnsureOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{disk: disk, loadTime: time.Minute}
		n := newNode(t, m, nil)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if _, err := n.Ensure(t.Context(), nodes.Model{Name: disk[i%2].Name}, nodes.EnsureOptions{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		loaded, log := m.state()
		if len(loaded) != 1 || slices.Contains(log, "two at once") {
			t.Errorf("loaded %q after %q", loaded, log)
		}
	})
}

func TestEnsureGivesUpItsPlaceInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, &memory{disk: disk, loadTime: time.Minute}, nil)
		var first sync.WaitGroup
		first.Go(func() { _, _ = n.Ensure(t.Context(), nodes.Model{Name: "a"}, nodes.EnsureOptions{}) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Ensure(ctx, nodes.Model{Name: "b"}, nodes.EnsureOptions{}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another load") {
			t.Errorf("got %v", err)
		}
		first.Wait()
	})
}

func TestUnloadIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, &memory{disk: disk, loaded: ids("b"), stuck: true}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := n.Ensure(ctx, nodes.Model{Name: "a"}, nodes.EnsureOptions{}); !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
			t.Errorf("got %v, want the cancellation and no fault", err)
		}
	})
}

// chatOnly is a backend without a load.
type chatOnly struct{ nodes.Backend }

func TestNodeWithoutLoad(t *testing.T) {
	n := newNode(t, chatOnly{&memory{}}, nil)
	_, ensure := n.Ensure(t.Context(), nodes.Model{Name: "a"}, nodes.EnsureOptions{})
	_, trim := n.TrimExtras(t.Context(), nodes.Model{Name: "a"})
	if n.CanLoad() || !errors.Is(ensure, nodes.ReadOnly) || !errors.Is(trim, nodes.ReadOnly) {
		t.Errorf("can load %t, %v, %v", n.CanLoad(), ensure, trim)
	}
}

func TestTrimExtras(t *testing.T) {
	for name, test := range map[string]struct {
		loaded  []nodes.Instance
		removed int
		want    []string
	}{
		"one":               {ids("a"), 0, []string{"a"}},
		"three":             {ids("a", "a:2", "a:3"), 2, []string{"a"}},
		"another beside it": {ids("b", "a", "a:2"), 1, []string{"b", "a"}},
		"only another":      {ids("b"), 0, []string{"b"}},
		"nothing":           {nil, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{disk: disk, loaded: test.loaded}
			removed, err := newNode(t, m, nil).TrimExtras(t.Context(), nodes.Model{Name: "a"})
			loaded, _ := m.state()
			if diff := cmp.Diff(test.want, loaded); diff != "" || removed != test.removed || err != nil {
				t.Errorf("removed %d, %v: %s", removed, err, diff)
			}
		})
	}
}

func TestAsk(t *testing.T) {
	for name, test := range map[string]struct {
		reply nodes.ChatReply
		asked string
		want  nodes.Fault
	}{
		"an answer":                 {nodes.ChatReply{Model: "a", Text: "4", Tokens: 1}, "a", ""},
		"without a signature":       {nodes.ChatReply{Text: "4"}, "a", ""},
		"by another spelling":       {nodes.ChatReply{Model: "a:latest", Text: "4"}, "a", ""},
		"by its second instance":    {nodes.ChatReply{Model: "a:2", Text: "4"}, "a", ""},
		"an instance asked":         {nodes.ChatReply{Model: "a", Text: "4"}, "a:2", ""},
		"only thought":              {nodes.ChatReply{Model: "a", Thinking: "hm"}, "a", ""},
		"only counted":              {nodes.ChatReply{Model: "a", Tokens: 8}, "a", ""},
		"nothing":                   {nodes.ChatReply{Model: "a", Finish: "stop"}, "a", nodes.Empty},
		"another model":             {nodes.ChatReply{Model: "b", Text: "4"}, "a", nodes.WrongModel},
		"another size of the model": {nodes.ChatReply{Model: "llama3:70b", Text: "4"}, "llama3:8b", nodes.WrongModel},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, &memory{reply: test.reply}, nil)
			_, err := n.Ask(t.Context(), nodes.ChatRequest{Model: test.asked})
			if nodes.FaultOf(err) != test.want || (err == nil) != (test.want == "") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestNewNode(t *testing.T) {
	for name, n := range map[string]nodes.Node{"M1": {Name: "M1"}, "without a name": {Backend: &memory{}}} {
		if _, err := nodes.New(n); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	n := newNode(t, &memory{}, nil)
	if n.ProbeTimeout != 5*time.Second || n.UnloadTimeout != 20*time.Second {
		t.Errorf("defaults: %+v", n)
	}
}

func TestLoadLimit(t *testing.T) {
	for size, want := range map[int64]time.Duration{
		0: 10 * time.Minute, -1: 10 * time.Minute, 1 << 30: 140 * time.Second, 60 << 30: 22 * time.Minute, 1 << 50: time.Hour,
	} {
		if got := nodes.LoadLimit(size); got != want {
			t.Errorf("%d bytes: %s, want %s", size, got, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("dial tcp: no route")
	e := fmt.Errorf("check: %w", &nodes.Error{
		Node: "M1", Action: "probe", Fault: nodes.Busy, Detail: "HTTP 503", Remedy: "wait", RetryAfter: 3 * time.Second, Err: cause})
	if want := "check: M1: probe: busy: HTTP 503 (retry after 3s); wait"; e.Error() != want {
		t.Errorf("got  %s\nwant %s", e, want)
	}
	if !errors.Is(e, nodes.Busy) || !errors.Is(e, cause) || errors.Is(e, nodes.Refused) || nodes.FaultOf(e) != nodes.Busy || nodes.RetryAfter(e) != 3*time.Second {
		t.Errorf("not what it wraps: %v", e)
	}
	plain := &nodes.Error{Node: "M1", Action: "probe", Fault: nodes.Unreachable, Err: cause}
	if want := "M1: probe: unreachable: dial tcp: no route"; plain.Error() != want {
		t.Errorf("got  %s\nwant %s", plain, want)
	}
	if nodes.FaultOf(nil) != "" || nodes.FaultOf(cause) != "" || nodes.RetryAfter(cause) != 0 {
		t.Error("a fault was found where there is none")
	}
}
