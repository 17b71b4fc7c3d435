package arena_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes"
)

// instant is a server that answers at once, in this process.
type instant struct{}

func (instant) Probe(context.Context) (nodes.Snapshot, error) {
	return nodes.Snapshot{Loaded: []nodes.Instance{{ID: "old", Model: "old"}}, OnDisk: []nodes.File{{Name: "old"}}}, nil
}

func (instant) Chat(_ context.Context, r nodes.ChatRequest) (nodes.ChatReply, error) {
	return nodes.ChatReply{Text: "The owner is " + quizAnswer(3) + ".", Model: r.Model, Tokens: 8, FirstToken: time.Microsecond, Duration: time.Microsecond}, nil
}

func (instant) Load(_ context.Context, m nodes.Model) (nodes.Instance, error) {
	return nodes.Instance{ID: m.Name, Model: m.Name}, nil
}

func (instant) Unload(context.Context, string) error { return nil }

// BenchmarkRunner measures the champion with 80 tests on a server that answers
// at once, and as a comparison asks it the same questions without a runner: the
// difference is the runner's own time for a test, with grading, journal, looks
// and events, and a share of the lease and of the run's record.
func BenchmarkRunner(b *testing.B) {
	const tests = 80
	tasks := quiz(b)
	node, err := nodes.New(nodes.Node{Name: "M1", Backend: instant{}, Wanted: nodes.Model{Name: "old"}})
	if err != nil {
		b.Fatal(err)
	}
	perTest := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*tests), "µs/test")
	}
	b.Run("tournament", func(b *testing.B) {
		dir := b.TempDir()
		a, err := arena.New(arena.Config{
			History: filestore.Open(filepath.Join(dir, "history.json")), Suite: tasks, Leases: &nodes.MemoryLeases{},
			Keeper: newKeeper(), Journal: filepath.Join(dir, "sessions"), Figures: arena.Figures{Warmup: -1},
		})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			r, err := a.Hold(b.Context(), arena.Request{Node: node, Contest: arena.Challenge{Name: "old"}, Budget: arena.Quick})
			if err != nil || r.TestsUsed != tests {
				b.Fatalf("%d tests, %v", r.TestsUsed, err)
			}
		}
		perTest(b)
	})
	b.Run("only asked", func(b *testing.B) {
		for b.Loop() {
			for i := range tests {
				task := tasks.Tasks()[i]
				if _, err := node.Ask(b.Context(), nodes.ChatRequest{Model: "old", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: task.Prompt}}}); err != nil {
					b.Fatal(err)
				}
			}
		}
		perTest(b)
	})
}
