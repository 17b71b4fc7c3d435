package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/history"
)

// TestTrendRuns: a trend is of one model, by the same questions, on one node.
func TestTrendRuns(t *testing.T) {
	run := func(id, model, suite, session string, crowned bool) history.Run {
		return history.Run{ID: id, Model: model, Suite: suite, Session: session, Crowned: crowned, Node: "M1", Type: "arena"}
	}
	for name, c := range map[string]struct {
		runs []history.Run
		want string
	}{
		"none":                         {nil, ""},
		"another model before":         {[]history.Run{run("1", "a", "s", "", false), run("2", "b", "s", "", false), run("3", "b", "s", "", false)}, "2 3"},
		"other questions before":       {[]history.Run{run("1", "a", "old", "", false), run("2", "a", "s", "", false)}, "2"},
		"a candidate that lost":        {[]history.Run{run("1", "a", "s", "", false), run("x-champion", "a", "s", "x", false), run("x-candidate", "b", "s", "x", false)}, "1 x-champion"},
		"a candidate that won":         {[]history.Run{run("x-champion", "a", "s", "x", false), run("x-candidate", "b", "s", "x", true)}, "x-candidate"},
		"only a candidate that lost":   {[]history.Run{run("x-candidate", "b", "s", "x", false)}, ""},
		"a run of the same afterwards": {[]history.Run{run("x-candidate", "b", "s", "x", true), run("4", "b", "s", "", false)}, "x-candidate 4"},
	} {
		var ids []string
		for _, r := range trendRuns(c.runs) {
			ids = append(ids, r.ID)
		}
		if diff := cmp.Diff(c.want, strings.Join(ids, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
