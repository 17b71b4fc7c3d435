package arena_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/scoring"
	"github.com/turbone/jarvis/scoring/grade"
)

const quizTasks = 160

// quiz is a suite of questions that only who was told the answers can know.
func quiz(t testing.TB) *suite.Suite {
	t.Helper()
	domains := []string{"code", "math", "web", "trading"}
	var tasks []suite.Task
	for i := range quizTasks {
		grader := grade.MustExpect(quizAnswer(i))
		tasks = append(tasks, suite.Task{
			ID: fmt.Sprintf("q%03d", i), Domain: domains[i%len(domains)], Prompt: "Name the owner of " + quizPhrase(i) + ".", Grader: grader,
		})
	}
	s, err := suite.New("quiz", "1", tasks...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quizPhrase(i int) string { return fmt.Sprintf("locker K%03d", i) }
func quizAnswer(i int) string { return fmt.Sprintf("Zor%02dmund", i%23) }

// knowing is a model's knowledge of a share of the quiz, spread over it evenly.
func knowing(share float64) map[string]string {
	know := map[string]string{}
	for i := range quizTasks {
		know[quizPhrase(i)] = "banana"
		if float64(i*37%100) < 100*share {
			know[quizPhrase(i)] = quizAnswer(i)
		}
	}
	return know
}

// keeper is a state file in memory.
type keeper struct {
	mu         sync.Mutex
	serves     map[string]nodes.Model
	remembered map[string]nodes.Model
	promotions []nodes.Promotion
}

func newKeeper() *keeper {
	return &keeper{serves: map[string]nodes.Model{}, remembered: map[string]nodes.Model{}}
}

func (k *keeper) Serving(_ context.Context, node *nodes.Node) (nodes.Model, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m, ok := k.serves[node.Name]; ok {
		return m, true, nil
	}
	return node.Wanted, node.Wanted.Name != "", nil
}

func (k *keeper) Remember(_ context.Context, node *nodes.Node, m *nodes.Model) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.remembered, node.Name)
	if m != nil {
		k.remembered[node.Name] = *m
	}
	return nil
}

func (k *keeper) Promote(_ context.Context, node *nodes.Node, p nodes.Promotion) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.serves[node.Name] = p.Model
	k.promotions = append(k.promotions, p)
	return nil
}

// stage is a node with all that a tournament needs.
type stage struct {
	t       *testing.T
	engine  *engine // nil on a server that speaks HTTP
	node    *nodes.Node
	store   *filestore.Store
	keeper  *keeper
	leases  *nodes.MemoryLeases
	journal string
	figures arena.Figures
	weights scoring.Composite
	tasks   *suite.Suite
	drain   func(context.Context, string) error

	mu     sync.Mutex
	events []arena.Event
	heard  func(arena.Event)
}

// onOllama sets the stage on a fake Ollama that serves the first model.
func onOllama(t *testing.T, models ...nodetest.Model) *stage {
	t.Helper()
	fake := nodetest.NewOllama(t, nodetest.Options{Models: models, Loaded: []string{models[0].Name}})
	backend, err := ollama.New(nodes.Connection{Node: "M1", URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	return onStage(t, "ollama", backend, models[0].Name)
}

// onLMStudio sets it on a fake LM Studio.
func onLMStudio(t *testing.T, models ...nodetest.Model) *stage {
	t.Helper()
	fake := nodetest.NewLMStudio(t, nodetest.Options{Models: models, Loaded: []string{models[0].Name}})
	backend, err := lmstudio.New(nodes.Connection{Node: "M1", URL: fake.URL})
	if err != nil {
		t.Fatal(err)
	}
	return onStage(t, "lmstudio", backend, models[0].Name)
}

// onEngine sets it on an engine in memory.
func onEngine(t *testing.T, models ...engineModel) *stage {
	t.Helper()
	e := newEngine(models...)
	s := onStage(t, "memory", e, models[0].name)
	s.engine = e
	s.figures = arena.Figures{Warmup: 3} // time costs nothing here
	return s
}

// knows is a model of an engine in memory that knows a share of the quiz.
func knows(name string, share float64) engineModel {
	return engineModel{name: name, know: knowing(share), pace: time.Second, size: 1 << 30, digest: "sha256:" + name}
}

func onStage(t *testing.T, engine string, backend nodes.Backend, champion string) *stage {
	t.Helper()
	node, err := nodes.New(nodes.Node{Name: "M1", Engine: engine, Backend: backend, Wanted: nodes.Model{Name: champion}, Memory: 8 << 30})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &stage{
		tasks: quiz(t),
		t:     t, node: node, store: filestore.Open(filepath.Join(dir, "history.json")), keeper: newKeeper(),
		leases: &nodes.MemoryLeases{}, journal: filepath.Join(dir, "sessions"),
		figures: arena.Figures{Warmup: 1, Timeout: 30 * time.Second, Patience: 2 * time.Second, Grace: time.Second},
		// How fast a fake answers tells of the machine, which may be busy.
		weights: scoring.Composite{Quality: 0.9, Reliability: 0.1},
	}
}

func (s *stage) arena() arena.Arena {
	s.t.Helper()
	a, err := arena.New(arena.Config{
		History: s.store, Suite: s.tasks, Leases: s.leases, Keeper: s.keeper, Journal: s.journal, Figures: s.figures, Weights: s.weights,
		Drain: s.drain,
		Sinks: []arena.Sink{arena.SinkFunc(s.emit)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *stage) emit(e arena.Event) {
	s.mu.Lock()
	s.events = append(s.events, e)
	heard := s.heard
	s.mu.Unlock()
	if heard != nil {
		heard(e)
	}
}

// last returns the latest event of a type, the zero event if there is none.
func (s *stage) last(t arena.EventType) arena.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.events) {
		if e.Type == t {
			return e
		}
	}
	return arena.Event{}
}

// count counts the events of a type.
func (s *stage) count(t arena.EventType) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

// serves checks what is loaded, that nobody holds the lease, and that nothing
// is left to restore.
func (s *stage) serves(want string) {
	s.t.Helper()
	snapshot, err := s.node.Probe(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	var loaded []string
	for _, i := range snapshot.Loaded {
		loaded = append(loaded, i.Model)
	}
	if len(loaded) != 1 || !s.node.Same(loaded[0], want) {
		s.t.Errorf("loaded is %q, want only %q", loaded, want)
	}
	if h, held, _ := s.leases.Holder(context.Background(), "M1"); held {
		s.t.Errorf("the lease is held by %+v", h)
	}
	if len(s.keeper.remembered) > 0 {
		s.t.Errorf("still to be restored: %v", s.keeper.remembered)
	}
}
