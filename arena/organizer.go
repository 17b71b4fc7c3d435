package arena

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// Config configures an [Organizer].
type Config struct {
	// History keeps the runs and the champion. It is required.
	History history.HistoryStore
	// Suite holds the tasks to draw from. It is required.
	Suite *suite.Suite
	// Leases are acquired on the nodes; nil means leases within this Organizer.
	Leases nodes.Leases
	// Keeper keeps what the nodes are meant to serve; nil keeps nothing.
	Keeper Keeper
	// Journal is the folder of the sessions' journals, which is created. Empty
	// means no journals: an interrupted session is lost, and only the same
	// process restores the node.
	Journal string
	// Figures are sizes and limits; each zero field means that of
	// [DefaultFigures].
	Figures Figures
	// Weights are the weights of the composite; the zero value means
	// [scoring.Default].
	Weights scoring.Composite
	// Drain waits until a leased node gets no more requests; nil does not wait.
	// Its error becomes an [EventTraffic] and stops nothing.
	Drain func(ctx context.Context, node string) error
	// Sinks receive the events.
	Sinks []Sink
}

// Figures are the sizes and limits of a tournament. A zero field means that of
// [DefaultFigures].
type Figures struct {
	// Tasks is the number of tasks drawn from the suite.
	Tasks int
	// Cycles is the greatest number of times that the candidate is asked all
	// tasks; QuickCycles is the same for [Quick].
	Cycles, QuickCycles int
	// Warmup is the least number of answers discarded after a load, or
	// [NoWarmup]. Up to ten more are discarded until the speed is steady.
	Warmup int
	// Temperature of all questions, or [ZeroTemperature].
	Temperature float64
	// MaxTokens limits an answer, thinking included, unless its task does.
	MaxTokens int
	// Timeout limits one test.
	Timeout time.Duration
	// Grace is how long requests of others may take to finish before the node
	// is worked on.
	Grace time.Duration
	// Patience is how long a server that is not ready is waited for, and a model
	// that is loaded and does not answer.
	Patience time.Duration
}

const (
	// NoWarmup as [Figures].Warmup discards no answer.
	NoWarmup = -1
	// ZeroTemperature as [Figures].Temperature is a temperature of 0.
	ZeroTemperature = -1.0
)

// DefaultFigures returns 40 tasks, 5 cycles, 2 cycles of a quick tournament, a
// warm-up of 3 answers, a temperature of 0.2, 1,024 tokens, 60 s for a test,
// 10 s of grace and five minutes of patience.
func DefaultFigures() Figures {
	return Figures{
		Tasks: 40, Cycles: 5, QuickCycles: 2, Warmup: 3, Temperature: 0.2, MaxTokens: 1024,
		Timeout: time.Minute, Grace: 10 * time.Second, Patience: 5 * time.Minute,
	}
}

// withDefaults returns f with zero fields filled in, and the named values
// turned into the figures that they stand for.
func (f Figures) withDefaults() Figures {
	d := DefaultFigures()
	fill(&f.Tasks, d.Tasks)
	fill(&f.Cycles, d.Cycles)
	fill(&f.QuickCycles, d.QuickCycles)
	fill(&f.Warmup, d.Warmup)
	fill(&f.Temperature, d.Temperature)
	fill(&f.MaxTokens, d.MaxTokens)
	fill(&f.Timeout, d.Timeout)
	fill(&f.Grace, d.Grace)
	fill(&f.Patience, d.Patience)
	if f.Warmup == NoWarmup {
		f.Warmup = 0
	}
	if f.Temperature == ZeroTemperature {
		f.Temperature = 0
	}
	return f
}

// validate reports a figure that is out of range.
func (f Figures) validate() error {
	if f.Tasks < 0 || f.Cycles < 0 || f.QuickCycles < 0 || f.Warmup < NoWarmup || f.MaxTokens < 0 ||
		f.Temperature < 0 && f.Temperature != ZeroTemperature || f.Timeout < 0 || f.Grace < 0 || f.Patience < 0 {
		return fmt.Errorf("arena: a negative figure: %+v", f)
	}
	return nil
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Keeper keeps, across processes, which model each node is meant to serve. The
// healer's state file is one.
type Keeper interface {
	// Serving returns the model that the node is meant to serve: the one that
	// was promoted there, else the configured one. ok is false if neither is
	// known.
	Serving(ctx context.Context, node *nodes.Node) (m nodes.Model, ok bool, err error)
	// Remember sets the model that the node must get back if the holder of its
	// lease dies. It is called before anything is unloaded. Nil removes it.
	Remember(ctx context.Context, node *nodes.Node, m *nodes.Model) error
	// Promote sets the model that the node is meant to serve.
	Promote(ctx context.Context, node *nodes.Node, p nodes.Promotion) error
}

// Organizer is an [Arena] that holds its tournaments on the nodes that it is
// given, one at a time on each. Use [New] to create one.
type Organizer struct {
	config  Config
	figures Figures
	weights scoring.Composite
}

var _ Arena = (*Organizer)(nil)

// New returns an Organizer. It checks the configuration and creates the
// journal's folder.
func New(c Config) (*Organizer, error) {
	switch {
	case c.History == nil:
		return nil, errors.New("arena: no history given")
	case c.Suite == nil || len(c.Suite.Tasks()) == 0:
		return nil, errors.New("arena: no tasks given")
	}
	if err := c.Figures.validate(); err != nil {
		return nil, err
	}
	if c.Leases == nil {
		c.Leases = &nodes.MemoryLeases{}
	}
	if c.Journal != "" {
		if err := os.MkdirAll(c.Journal, 0o755); err != nil {
			return nil, fmt.Errorf("arena: make the journal's folder: %w", err)
		}
	}
	fill(&c.Weights, scoring.Default())
	return &Organizer{config: c, figures: c.Figures.withDefaults(), weights: c.Weights}, nil
}

// Hold implements [Arena].
func (a *Organizer) Hold(ctx context.Context, r Request) (Result, error) {
	if err := r.single(); err != nil {
		return Result{}, err
	}
	why := "tournament"
	if c, ok := r.Contest.(Challenge); ok {
		why += " of " + c.Name
	}
	ranking, err := a.hold(ctx, r.Node, why, func(n *leasedNode) (*tournament, error) { return a.begin(ctx, n, r) })
	return ranking.Final, err
}

// HoldAll implements [Arena].
func (a *Organizer) HoldAll(ctx context.Context, r Request) (Ranking, error) {
	field, err := r.several()
	if err != nil {
		return Ranking{}, err
	}
	why := fmt.Sprintf("tournament of %d models", len(field))
	return a.hold(ctx, r.Node, why, func(n *leasedNode) (*tournament, error) { return a.begin(ctx, n, r) })
}

// Resume implements [Arena].
func (a *Organizer) Resume(ctx context.Context, node *nodes.Node, session string) (Ranking, error) {
	if node == nil {
		return Ranking{}, fmt.Errorf("arena: %w: no node given", ErrInvalidRequest)
	}
	return a.hold(ctx, node, "tournament", func(n *leasedNode) (*tournament, error) { return a.resume(ctx, n, session) })
}

// hold leases the node, runs the tournament that open returns, and releases
// the lease.
func (a *Organizer) hold(ctx context.Context, node *nodes.Node, why string, open func(*leasedNode) (*tournament, error)) (Ranking, error) {
	if err := a.checkHistory(ctx); err != nil {
		return Ranking{}, err
	}
	n, err := a.acquire(ctx, node, why)
	if err != nil {
		return Ranking{}, err
	}
	t, err := open(n)
	if err != nil {
		return Ranking{}, errors.Join(err, n.release(ctx, true)) // nothing was changed
	}
	result, err := t.run(ctx)
	return t.ranking(result), errors.Join(err, n.release(ctx, t.intact))
}

// historyPatience is how long another process may lock the history.
const historyPatience = 30 * time.Second

// checkHistory returns an error if the outcome could not be recorded.
func (a *Organizer) checkHistory(ctx context.Context) error {
	store, ok := a.config.History.(history.WriteChecker)
	if !ok {
		return nil
	}
	checked, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	if err := store.CheckWrite(checked); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	return nil
}

const (
	// afterTests is the number of the champion's tests between the candidate's
	// and a promotion.
	afterTests = 40
	// cyclesUnknown is the greatest number of cycles that a champion is asked
	// whose own history is too short to count.
	cyclesUnknown = 5
	// enoughHistory is the number of runs from which on it counts.
	enoughHistory = 4
	// extendBy is the length of an extended tournament in that of a full one.
	extendBy = 2
)

// drawn returns the tasks of all tournaments (0) or of all fields (1). With halves
// each is drawn from its own half of the suite.
func (a *Organizer) drawn(number int, halves bool) *suite.Suite {
	if !halves {
		return a.config.Suite.Draw(a.figures.Tasks, number)
	}
	first, second := a.config.Suite.Halves()
	if number == 1 {
		first = second
	}
	return first.Draw(a.figures.Tasks, 0)
}

// halved reports whether the suite is too small for a field with tasks of its own,
// so that it has to be halved: the tasks that chose a candidate are no evidence for
// it.
func (a *Organizer) halved() bool {
	final := map[string]bool{}
	for _, t := range a.drawn(0, false).Tasks() {
		final[t.ID] = true
	}
	field := a.drawn(1, false).Tasks()
	return len(a.config.Suite.Tasks()) > 1 && slices.ContainsFunc(field, func(t suite.Task) bool { return final[t.ID] })
}

// begin starts the session of a request.
func (a *Organizer) begin(ctx context.Context, n *leasedNode, r Request) (*tournament, error) {
	s, err := n.Probe(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.draft(ctx, n, s, r)
	if err != nil {
		return nil, err
	}
	j, err := newJournal(a.config.Journal, p.session)
	if err != nil {
		return nil, err
	}
	t := a.tournament(n, p, j)
	t.emitSession(EventStarted)
	for i, m := range p.Field {
		if why := n.canLoad(s, m); why != nil {
			if err := t.decide(entry{Out: &outEntry{i, why.Error()}}); err != nil {
				return nil, errors.Join(err, j.close())
			}
		}
	}
	return t, nil
}

// draft returns the session of a request: all that is fixed before the first
// test.
func (a *Organizer) draft(ctx context.Context, n *leasedNode, s nodes.Snapshot, r Request) (*progress, error) {
	candidate, field, method, err := n.contestants(s, r)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("arena: name the session: %w", err)
	}
	halves := len(field) > 0 && a.halved()
	drawn := a.drawn(0, halves)
	tasks := len(drawn.Tasks())
	cycles := a.figures.Cycles
	switch r.Budget {
	case Quick:
		cycles = a.figures.QuickCycles
	case Extended:
		cycles *= extendBy
	}
	_, selfTest := r.Contest.(SelfTest)
	p := newProgress(session{
		ID: id.String(), Node: n.Name, Started: time.Now(), Champion: n.saved, Candidate: candidate,
		Suite: a.config.Suite.Name(), Hash: drawn.Hash(), Tasks: tasks, Seed: rand.Uint64() >> 1, Method: method,
		Cap: cycles * tasks, Type: runType, Strict: r.Rule == Strict, SelfTest: selfTest, Parallel: max(r.Parallel, 1),
		Field: field, FieldTasks: len(a.drawn(1, halves).Tasks()), Halves: halves, EngineVersion: s.Version,
	})
	p.weights = a.weights
	if err := a.evidence(ctx, n.Node, p, nil); err != nil {
		return nil, err
	}
	p.size(cycles)
	return p, nil
}

// contestants returns the candidate or the field of a request, with the names
// and digests of the node, and the method by which they are judged. The error
// says why a candidate can't be loaded.
func (n *leasedNode) contestants(s nodes.Snapshot, r Request) (candidate nodes.Model, field []nodes.Model, method Method, err error) {
	method = MethodPaired
	if r.Rule == Plain {
		method = MethodPlain
	}
	switch c := r.Contest.(type) {
	case SelfTest:
		return n.saved, nil, MethodPaired, nil
	case Field:
		field, err = n.field(s, c)
		return nodes.Model{}, field, method, err
	case Challenge:
		candidate = nodes.Model(c)
	}
	asked := candidate
	candidate.Name = n.Canonical(candidate.Name)
	if candidate.Digest == "" {
		candidate.Digest = digestOf(n.Node, s, candidate.Name)
	}
	if candidate.Equal(n.saved) {
		return candidate, nil, MethodMeasured, nil
	}
	return candidate, nil, method, n.canLoad(s, asked) // its errors name the model as the request does
}

// canLoad returns an error if a load of m must fail, as far as that is known
// without one.
func (n *leasedNode) canLoad(s nodes.Snapshot, m nodes.Model) error {
	if checker, ok := n.Backend.(nodes.SettingsChecker); ok {
		if err := checker.CheckSettings(m.Settings); err != nil {
			return err
		}
	}
	return n.Loadable(s, m)
}
