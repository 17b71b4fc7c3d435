package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/arenatest"
	"github.com/turbone/jarvis/cmd/internal/progress"
	"github.com/turbone/jarvis/nodes"
)

// idle is an engine that is asked nothing.
type idle struct{ nodes.Backend }

// TestResumeWhatIsEnded: a session whose promotion had been made is told with its
// result, by --resume and without it, and is no failure.
func TestResumeWhatIsEnded(t *testing.T) {
	node, err := nodes.New(nodes.Node{Name: "M1", Backend: idle{}, Wanted: nodes.Model{Name: "old"}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := nodes.NewSet(node)
	if err != nil {
		t.Fatal(err)
	}
	ended := arena.Ranking{Verdict: arena.VerdictPromoted, Final: arena.Result{
		Verdict: arena.VerdictPromoted, Node: "M1", Reason: "better by much", Candidate: arena.Side{Model: "new"},
		Champion: arena.Side{Model: "old"}, TestsUsed: 160, Loaded: "new",
	}}
	for _, resume := range []bool{true, false} {
		fake := &arenatest.Fake{Left: []arena.Unfinished{{Session: "s1", Node: "M1", Candidate: nodes.Model{Name: "new"}, Ended: &ended}}}
		var out, told bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		run := &tournament{
			bench: &bench{set: set, arena: fake}, cmd: cmd, out: progress.New(&told),
			flags:   tournamentFlags{resume: resume},
			request: arena.Request{Node: node, Contest: arena.Challenge{Name: "third"}},
		}
		model := "third"
		if resume {
			model, run.request.Contest = "", nil
		}
		if err := run.run(t.Context(), model); err != nil {
			t.Errorf("resume %t: %v", resume, err)
		}
		result := ended.Final.Sentence()
		if got := out.String(); strings.Contains(got, result+"\nM1 serves new.") != resume {
			t.Errorf("resume %t: printed %s", resume, got)
		}
		if got := told.String(); strings.Contains(got, "a tournament on M1 was cut short and is ended: "+result) == resume {
			t.Errorf("resume %t: told %s", resume, got)
		}
	}
}
