package arenatest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
)

// Method is the name of a method of [arena.Arena].
type Method string

// The methods that a [Fake] records.
const (
	Hold     Method = "Hold"
	HoldAll  Method = "HoldAll"
	Resume   Method = "Resume"
	Estimate Method = "Estimate"
	Recover  Method = "Recover"
)

// Call is one call of a [Fake].
type Call struct {
	Method Method
	// Request is the argument of Hold, HoldAll and Estimate. Of Resume it has
	// only the node.
	Request arena.Request
	// Session is the argument of Resume.
	Session string
}

// Fake is an [arena.Arena] that holds no tournament: it records its calls and
// returns what it was told to. The zero value is ready to use: every candidate
// loses against the champion, the model that the node is configured to serve.
// Safe for concurrent use.
type Fake struct {
	// Decide returns the outcome of a tournament; nil lets the champion win.
	// Fields of the result that it leaves empty are filled in: the node, the
	// models, and the model that is loaded afterwards.
	Decide func(arena.Request) (arena.Result, error)
	// Cost is what Estimate returns, with the node and the models filled in;
	// nil means 80 tests and 10 minutes.
	Cost *arena.Estimate
	// Left are the sessions that Recover returns. A session without Ended and Err can
	// be resumed once: as a tournament of its candidate, which Decide decides.
	Left []arena.Unfinished
	// Wait blocks every tournament until the channel is closed or the context
	// ends; nil does not block.
	Wait <-chan struct{}

	mu    sync.Mutex
	calls []Call
	count int
	lost  map[string]arena.Request
	order []string
}

var _ arena.Arena = (*Fake)(nil)

// Calls returns the calls so far, in order.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Fake) record(c Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
}

// Hold implements [arena.Arena].
func (f *Fake) Hold(ctx context.Context, r arena.Request) (arena.Result, error) {
	f.record(Call{Method: Hold, Request: r})
	if err := r.Validate(); err != nil {
		return arena.Result{}, err
	}
	if _, several := r.Contest.(arena.Field); several {
		return arena.Result{}, fmt.Errorf("arenatest: Hold: %w: a field of candidates", arena.ErrInvalidRequest)
	}
	return f.hold(ctx, r)
}

// HoldAll implements [arena.Arena].
func (f *Fake) HoldAll(ctx context.Context, r arena.Request) (arena.Ranking, error) {
	f.record(Call{Method: HoldAll, Request: r})
	if err := r.Validate(); err != nil {
		return arena.Ranking{}, err
	}
	if _, several := r.Contest.(arena.Field); !several {
		return arena.Ranking{}, fmt.Errorf("arenatest: HoldAll: %w: no field of candidates", arena.ErrInvalidRequest)
	}
	return f.ranking(ctx, r)
}

// Resume implements [arena.Arena].
func (f *Fake) Resume(ctx context.Context, node *nodes.Node, session string) (arena.Ranking, error) {
	f.record(Call{Method: Resume, Request: arena.Request{Node: node}, Session: session})
	if node == nil {
		return arena.Ranking{}, fmt.Errorf("arenatest: Resume: %w: no node given", arena.ErrInvalidRequest)
	}
	r, ok := f.take(node, session)
	if !ok {
		return arena.Ranking{}, fmt.Errorf("%s: %w", node.Name, arena.ErrNothingToResume)
	}
	return f.ranking(ctx, r)
}

// take removes an interrupted session: the one named, else the latest on node.
func (f *Fake) take(node *nodes.Node, session string) (arena.Request, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range slices.Backward(f.order) {
		if r, ok := f.lost[id]; ok && r.Node.Name == node.Name && (session == "" || session == id) {
			delete(f.lost, id)
			return r, true
		}
	}
	for i, u := range f.Left {
		if u.Err == nil && u.Ended == nil && u.Node == node.Name && (session == "" || session == u.Session) {
			f.Left = slices.Delete(slices.Clone(f.Left), i, i+1)
			return arena.Request{Node: node, Contest: arena.Challenge(u.Candidate)}, true
		}
	}
	return arena.Request{}, false
}

// Estimate implements [arena.Arena].
func (f *Fake) Estimate(ctx context.Context, r arena.Request) (arena.Estimate, error) {
	f.record(Call{Method: Estimate, Request: r})
	if err := r.Validate(); err != nil {
		return arena.Estimate{}, err
	}
	if err := ctx.Err(); err != nil {
		return arena.Estimate{}, err
	}
	e := arena.Estimate{Tests: 80, Early: 20, Most: 10 * time.Minute, Least: 3 * time.Minute, MostMinutes: 10, LeastMinutes: 3, Smallest: 1}
	if f.Cost != nil {
		e = *f.Cost
	}
	e.Node, e.Champion = r.Node.Name, r.Node.Wanted.Name
	if c, ok := r.Contest.(arena.Challenge); ok {
		e.Candidate = c.Name
	}
	return e, nil
}

// Recover implements [arena.Arena].
func (f *Fake) Recover(ctx context.Context, set *nodes.Set) ([]arena.Unfinished, error) {
	f.record(Call{Method: Recover})
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []arena.Unfinished
	for _, id := range slices.Backward(f.order) {
		if r, ok := f.lost[id]; ok && set.Get(r.Node.Name) != nil {
			u := arena.Unfinished{Session: id, Node: r.Node.Name, Champion: r.Node.Wanted}
			switch c := r.Contest.(type) {
			case arena.Challenge:
				u.Candidate = nodes.Model(c)
			case arena.Field:
				u.Several = true
			}
			list = append(list, u)
		}
	}
	return append(list, f.Left...), ctx.Err()
}

// hold decides a tournament of one candidate.
func (f *Fake) hold(ctx context.Context, r arena.Request) (arena.Result, error) {
	f.mu.Lock()
	f.count++
	session := fmt.Sprintf("session-%d", f.count)
	f.mu.Unlock()
	result := arena.Result{Session: session, Node: r.Node.Name, Loaded: r.Node.Wanted.Name}
	result.Champion.Model = r.Node.Wanted.Name
	result.Candidate.Model = challenger(r)
	interrupted := func() (arena.Result, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.lost == nil {
			f.lost = map[string]arena.Request{}
		}
		f.lost[session] = r
		f.order = append(f.order, session)
		result.Verdict, result.Reason = arena.VerdictFailed, arena.ErrInterrupted.Error()
		return result, arena.ErrInterrupted
	}
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return interrupted()
	}
	result.Verdict, result.Reason = arena.VerdictRetained, "the champion stays"
	if f.Decide == nil {
		return result, nil
	}
	decided, err := f.Decide(r)
	return filled(decided, result), err
}

// filled returns the result with what it lacks taken from what is usual.
func filled(r, usual arena.Result) arena.Result {
	fill(&r.Session, usual.Session)
	fill(&r.Node, usual.Node)
	fill(&r.Verdict, usual.Verdict)
	fill(&r.Reason, usual.Reason)
	fill(&r.Champion.Model, usual.Champion.Model)
	fill(&r.Candidate.Model, usual.Candidate.Model)
	if r.Verdict == arena.VerdictPromoted {
		fill(&r.Loaded, r.Candidate.Model)
	}
	fill(&r.Loaded, usual.Loaded)
	return r
}

func fill[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}

// ranking decides a tournament; that of a field lists its candidates in the
// order of the request, the one that met the champion first.
func (f *Fake) ranking(ctx context.Context, r arena.Request) (arena.Ranking, error) {
	final, err := f.hold(ctx, r)
	ranking := arena.Ranking{Winner: final.Loaded, Verdict: final.Verdict, Final: final, TestsUsed: final.TestsUsed}
	field, _ := r.Contest.(arena.Field)
	for _, m := range field {
		standing := arena.Standing{Side: arena.Side{Model: m.Name}}
		if m.Name == final.Candidate.Model {
			ranking.Table = append([]arena.Standing{standing}, ranking.Table...)
		} else {
			ranking.Table = append(ranking.Table, standing)
		}
	}
	return ranking, err
}

// challenger is the model that meets the champion.
func challenger(r arena.Request) string {
	switch c := r.Contest.(type) {
	case arena.Challenge:
		return c.Name
	case arena.Field:
		return c[0].Name
	}
	return r.Node.Wanted.Name
}
