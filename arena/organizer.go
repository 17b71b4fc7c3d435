package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// Config is what an [Organizer] is made of.
type Config struct {
	// History keeps the runs and the champion.
	History history.HistoryStore
	// Suite are the tasks that are drawn from.
	Suite *suite.Suite
	// Leases are taken on the nodes; nil means that nobody else works on them.
	Leases nodes.Leases
	// Keeper remembers what a node is meant to serve; nil where nobody does.
	Keeper Keeper
	// Journal is the folder of the sessions' journals; it is made. "" keeps
	// none: a session that is cut short is lost, and the node is only restored
	// by the same process.
	Journal string
	// Figures are the sizes and limits; zero fields mean those of
	// [DefaultFigures].
	Figures Figures
	// Weights are the composite's; the zero value means [scoring.Default].
	Weights scoring.Composite
	// Quiet waits until a node that was leased is out of the route, and may be
	// nil. An error of it is told and stops nothing.
	Quiet func(ctx context.Context, node string) error
	// Sinks take the events.
	Sinks []Sink
}

// Figures are the sizes and limits of a tournament.
type Figures struct {
	// Tasks is how many tasks are drawn, Cycles how often the candidate is
	// asked them at most; QuickCycles the same for a quick tournament.
	Tasks, Cycles, QuickCycles int
	// Warmup is how many answers are thrown away after a load. More are, up to
	// ten, until the speed is steady. Negative: none.
	Warmup int
	// Temperature of all questions; negative means 0.
	Temperature float64
	// MaxTokens bounds an answer, thinking included, where its task doesn't.
	MaxTokens int
	// Timeout bounds one test.
	Timeout time.Duration
	// Grace is how long requests of others may take to finish before the node
	// is worked on.
	Grace time.Duration
	// Patience is how long a server that doesn't listen is waited for when a
	// model has to be loaded.
	Patience time.Duration
}

// DefaultFigures returns 40 tasks, 5 cycles, 2 of a quick tournament, 3
// answers thrown away, a temperature of 0.2, 1,024 tokens, 60 s a test, 10 s
// of grace, and a minute of patience.
func DefaultFigures() Figures {
	return Figures{
		Tasks: 40, Cycles: 5, QuickCycles: 2, Warmup: 3, Temperature: 0.2, MaxTokens: 1024,
		Timeout: time.Minute, Grace: 10 * time.Second, Patience: time.Minute,
	}
}

func (f Figures) filled() Figures {
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
	f.Warmup, f.Temperature = max(f.Warmup, 0), max(f.Temperature, 0)
	return f
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Keeper remembers, across processes, what each node is meant to serve. The
// healer's state file is one.
type Keeper interface {
	// Serving returns the model that the node is meant to serve: one that was
	// promoted there, else the configured one. ok is false where neither is
	// known.
	Serving(ctx context.Context, node *nodes.Node) (m nodes.Model, ok bool, err error)
	// Remember notes which model must be on the node again when the holder of
	// its lease is gone. It is called before anything is unloaded. Nil forgets.
	Remember(ctx context.Context, node *nodes.Node, m *nodes.Model) error
	// Promote makes a model the one that the node is meant to serve.
	Promote(ctx context.Context, node *nodes.Node, p nodes.Promotion) error
}

// Organizer is an [Arena] that holds its tournaments on the nodes given. It is
// made by [New].
type Organizer struct {
	config  Config
	figures Figures
	weights scoring.Composite
}

// New checks the configuration and makes the journal's folder.
func New(c Config) (*Organizer, error) {
	switch {
	case c.History == nil:
		return nil, errors.New("arena: no history given")
	case c.Suite == nil || len(c.Suite.Tasks()) == 0:
		return nil, errors.New("arena: no tasks given")
	}
	if c.Leases == nil {
		c.Leases = &nodes.MemoryLeases{}
	}
	if c.Journal != "" {
		if err := os.MkdirAll(c.Journal, 0o755); err != nil {
			return nil, fmt.Errorf("arena: make the journal's folder: %w", err)
		}
	}
	a := &Organizer{config: c, figures: c.Figures.filled(), weights: c.Weights}
	if a.weights == (scoring.Composite{}) {
		a.weights = scoring.Default()
	}
	return a, nil
}

var _ Arena = (*Organizer)(nil)
