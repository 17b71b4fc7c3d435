package main

import (
	"strings"
	"testing"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestRun runs the program and looks for all that it announces.
func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v, after:\n%s", err, &out)
	}
	rest := out.String()
	for _, line := range []string{
		"client: OL1 answered\n", "client: HOUSE answered\n", "healer: ", "tournament: promoted, " + candidate + " serves on OL1\n",
		"history: arena " + champion, "history: arena " + candidate, "history: house " + candidate,
	} {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("%q is missing, or not in its place, in:\n%s", line, &out)
			continue
		}
		rest = after
	}
}

// TestBackend is the conformance test of the program's own backend.
func TestBackend(t *testing.T) {
	key := nodes.NewSecret("the-house-key")
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		fake := nodetest.NewOpenAI(t, nodetest.Options{Key: key.Reveal()})
		return nodetest.Subject{
			Backend: &House{Node: "HOUSE", URL: fake.URL, Key: key}, Node: "HOUSE", Key: key, Model: "good", Faulty: fake,
			Without: []nodetest.Fault{nodetest.TooManyRequests, nodetest.HangMidAnswer, nodetest.ErrorFrame, nodetest.NoEndMark},
		}
	})
}

// TestStore is the conformance test of the program's own store.
func TestStore(t *testing.T) {
	historytest.Conformance(t, func(*testing.T) (history.HistoryStore, func() history.HistoryStore) {
		store := &Ledger{}
		return store, func() history.HistoryStore { return store }
	})
}
