package arenatest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
)

// Subject is an arena under test with a node of its own. The node must serve a
// model, which is its Wanted, and have two other models on disk.
type Subject struct {
	Arena arena.Arena
	Node  *nodes.Node
	// Models are the two other models' names.
	Models [2]string
}

// Test checks that an implementation of [arena.Arena] keeps the interface's
// contract. start makes a new subject for each part of the test.
func Test(t *testing.T, start func(*testing.T) Subject) {
	t.Run("InvalidRequests", func(t *testing.T) { invalidRequests(t, start(t)) })
	t.Run("Hold", func(t *testing.T) { holds(t, start(t)) })
	t.Run("HoldAll", func(t *testing.T) { holdsAll(t, start(t)) })
	t.Run("SelfTest", func(t *testing.T) { testsItself(t, start(t)) })
	t.Run("Estimate", func(t *testing.T) { estimates(t, start(t)) })
	t.Run("InterruptAndResume", func(t *testing.T) { resumes(t, start(t)) })
}

func (s Subject) challenge() arena.Request {
	return arena.Request{Node: s.Node, Contest: arena.Challenge{Name: s.Models[0]}, Budget: arena.Quick}
}

func (s Subject) field() arena.Request {
	return arena.Request{Node: s.Node, Contest: arena.Field{{Name: s.Models[0]}, {Name: s.Models[1]}}, Budget: arena.Quick}
}

// same reports whether a model of a result is the one named.
func (s Subject) same(got, want string) bool { return s.Node.Same(got, want) }

func invalidRequests(t *testing.T, s Subject) {
	for name, spoil := range map[string]func(*arena.Request){
		"no node":          func(r *arena.Request) { r.Node = nil },
		"no contest":       func(r *arena.Request) { r.Contest = nil },
		"no candidate":     func(r *arena.Request) { r.Contest = arena.Challenge{} },
		"empty field":      func(r *arena.Request) { r.Contest = arena.Field{} },
		"nameless":         func(r *arena.Request) { r.Contest = arena.Field{{Name: "a"}, {}} },
		"unknown rule":     func(r *arena.Request) { r.Rule = "luck" },
		"unknown budget":   func(r *arena.Request) { r.Budget = "endless" },
		"too many at once": func(r *arena.Request) { r.Parallel = arena.MaxParallel + 1 },
		"less than one":    func(r *arena.Request) { r.Parallel = -1 },
		"plain self-test":  func(r *arena.Request) { r.Contest, r.Rule = arena.SelfTest{}, arena.Plain },
	} {
		r := s.challenge()
		spoil(&r)
		_, err := s.Arena.Hold(t.Context(), r)
		_, errAll := s.Arena.HoldAll(t.Context(), r)
		_, errEstimate := s.Arena.Estimate(t.Context(), r)
		for method, err := range map[Method]error{Hold: err, HoldAll: errAll, Estimate: errEstimate} {
			if !errors.Is(err, arena.ErrInvalidRequest) {
				t.Errorf("%s of a request with %s: %v, want ErrInvalidRequest", method, name, err)
			}
		}
	}
	if _, err := s.Arena.Hold(t.Context(), s.field()); !errors.Is(err, arena.ErrInvalidRequest) {
		t.Errorf("Hold of a field: %v, want ErrInvalidRequest", err)
	}
	if _, err := s.Arena.HoldAll(t.Context(), s.challenge()); !errors.Is(err, arena.ErrInvalidRequest) {
		t.Errorf("HoldAll of one candidate: %v, want ErrInvalidRequest", err)
	}
	if _, err := s.Arena.Resume(t.Context(), nil, ""); !errors.Is(err, arena.ErrInvalidRequest) {
		t.Errorf("Resume without a node: %v, want ErrInvalidRequest", err)
	}
}

// verdict checks that a result is complete.
func (s Subject) verdict(t *testing.T, r arena.Result) {
	t.Helper()
	verdicts := []arena.Verdict{arena.VerdictPromoted, arena.VerdictRetained, arena.VerdictInconclusive, arena.VerdictFailed}
	if !slices.Contains(verdicts, r.Verdict) || r.Reason == "" {
		t.Errorf("verdict %q because %q", r.Verdict, r.Reason)
	}
	if r.Node != s.Node.Name || r.Session == "" || !s.same(r.Champion.Model, s.Node.Wanted.Name) {
		t.Errorf("session %q of %q against %q, want one of %q against %q", r.Session, r.Node, r.Champion.Model, s.Node.Name, s.Node.Wanted.Name)
	}
	loaded := r.Champion.Model
	if r.Verdict == arena.VerdictPromoted {
		loaded = r.Candidate.Model
	}
	if !s.same(r.Loaded, loaded) {
		t.Errorf("%s, and %q is loaded", r.Verdict, r.Loaded)
	}
}

func holds(t *testing.T, s Subject) {
	r, err := s.Arena.Hold(t.Context(), s.challenge())
	if err != nil {
		t.Fatal(err)
	}
	s.verdict(t, r)
	if !s.same(r.Candidate.Model, s.Models[0]) {
		t.Errorf("the candidate is %q, want %q", r.Candidate.Model, s.Models[0])
	}
	if _, err := s.Arena.Resume(t.Context(), s.Node, ""); !errors.Is(err, arena.ErrNothingToResume) {
		t.Errorf("resumed what has ended: %v", err)
	}
}

func holdsAll(t *testing.T, s Subject) {
	r, err := s.Arena.HoldAll(t.Context(), s.field())
	if err != nil {
		t.Fatal(err)
	}
	s.verdict(t, r.Final)
	if r.Verdict != r.Final.Verdict || r.Winner != r.Final.Loaded {
		t.Errorf("%s %s, but the final says %s %s", r.Verdict, r.Winner, r.Final.Verdict, r.Final.Loaded)
	}
	if len(r.Table) != 2 || !s.same(r.Table[0].Model, r.Final.Candidate.Model) {
		t.Errorf("the table is %+v, want both candidates, first the one that met the champion, %q", r.Table, r.Final.Candidate.Model)
	}
}

func testsItself(t *testing.T, s Subject) {
	r, err := s.Arena.Hold(t.Context(), arena.Request{Node: s.Node, Contest: arena.SelfTest{}, Budget: arena.Quick})
	if err != nil {
		t.Fatal(err)
	}
	s.verdict(t, r)
	if r.Verdict == arena.VerdictPromoted || !s.same(r.Candidate.Model, s.Node.Wanted.Name) {
		t.Errorf("%s %s in a self-test", r.Verdict, r.Candidate.Model)
	}
}

func estimates(t *testing.T, s Subject) {
	for name, r := range map[string]arena.Request{"challenge": s.challenge(), "field": s.field()} {
		e, err := s.Arena.Estimate(t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e.Node != s.Node.Name || !s.same(e.Champion, s.Node.Wanted.Name) {
			t.Errorf("%s: on %q against %q", name, e.Node, e.Champion)
		}
		if e.Tests <= 0 || e.Early <= 0 || e.Early > e.Tests || e.Least > e.Most || e.Smallest <= 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	set, err := nodes.NewSet(s.Node)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := s.Arena.Recover(t.Context(), set); err != nil || len(left) > 0 {
		t.Errorf("an estimate left %+v, %v", left, err)
	}
}

func resumes(t *testing.T, s Subject) {
	if _, err := s.Arena.Resume(t.Context(), s.Node, ""); !errors.Is(err, arena.ErrNothingToResume) {
		t.Errorf("resumed on a new node: %v, want ErrNothingToResume", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Arena.Hold(ctx, s.challenge()); !errors.Is(err, arena.ErrInterrupted) && !errors.Is(err, context.Canceled) {
		t.Errorf("held with an ended context: %v", err)
	}
	if _, err := s.Arena.Resume(t.Context(), s.Node, "no such session"); !errors.Is(err, arena.ErrNothingToResume) {
		t.Errorf("resumed an unknown session: %v, want ErrNothingToResume", err)
	}
	set, err := nodes.NewSet(s.Node)
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.Arena.Recover(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range left {
		r, err := s.Arena.Resume(t.Context(), s.Node, u.Session)
		if err != nil {
			t.Fatalf("resume %s: %v", u.Session, err)
		}
		s.verdict(t, r.Final)
		if !s.same(r.Final.Candidate.Model, s.Models[0]) || len(r.Table) > 0 {
			t.Errorf("resumed a tournament of %q with a table of %d", r.Final.Candidate.Model, len(r.Table))
		}
	}
}
