package progress

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/scoring"
)

// play emits a tournament: a model is loaded, 40 tests of one second each are
// made, of which every fourth is wrong and the tenth gets no answer, and the
// evidence is looked at once.
func play(p *Printer, clock *time.Time) {
	p.Emit(arena.Event{Node: "M1", Type: arena.EventLoading, Model: "new"})
	p.Emit(arena.Event{Node: "M1", Type: arena.EventWarming})
	for i := range 40 {
		*clock = clock.Add(time.Second)
		test := scoring.Test{Outcome: scoring.Answered, Passed: i%4 != 0, Latency: time.Second}
		if i == 9 {
			test = scoring.Test{Outcome: scoring.Failed}
		}
		p.Emit(arena.Event{Node: "M1", Type: arena.EventTest, Model: "new", Test: &test, Done: i + 1, Most: 80})
		if i == 19 {
			p.Emit(arena.Event{Node: "M1", Type: arena.EventLook, Look: &scoring.Look{
				Estimate: 0.5, Low: -0.25, High: 1.25, Z: 1.2, Upper: 2.4,
			}})
		}
	}
	p.Note("%d nodes", 2)
	p.Emit(arena.Event{Node: "M1", Type: arena.EventRetained})
}

// TestPlainLines: where nobody can watch a line change, one tells now and then.
func TestPlainLines(t *testing.T) {
	var out strings.Builder
	clock := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	p := New(&out)
	p.now = func() time.Time { return clock }
	play(p, &clock)
	want := `M1: loading new
M1: 20/80 new 70 % passed, score 7.85, 1 without an answer, at most 57 s more
M1: after 0 tests of the candidate: +0.50 [-0.25 … +1.25], z 1.20 of 2.40
M1: 40/80 new 72 % passed, score 8.02, 1 without an answer, at most 39 s more, gap +0.50 z 1.2/2.4
note: 2 nodes
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

// TestChangingLine: on a terminal one line changes, no wider than the terminal,
// and is gone when another is printed.
func TestChangingLine(t *testing.T) {
	var out strings.Builder
	clock := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	p := New(&out)
	p.now = func() time.Time { return clock }
	p.line.Columns = func() int { return 60 }
	p.Weigh(scoring.Composite{Quality: 1})
	play(p, &clock)
	shown := strings.Split(out.String(), "\r\x1b[K")
	if len(shown) != 43 { // each test, and each time the line is taken away
		t.Fatalf("the line changed %d times:\n%q", len(shown), shown)
	}
	if want := "M1: loading new\n"; shown[0] != want {
		t.Errorf("first %q, want %q", shown[0], want)
	}
	if want := "██████████░░░░░░░░░░ 40/80 new 72 % passed, score 7.25, 1 w"; shown[41] != want {
		t.Errorf("at last %q, want %q", shown[41], want)
	}
	if want := "note: 2 nodes\n"; shown[42] != want {
		t.Errorf("in the end %q, want %q", shown[42], want)
	}
}
