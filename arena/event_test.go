package arena_test

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/scoring"
)

// TestSentences: each event's facts, and the line that is made of them.
func TestSentences(t *testing.T) {
	confirmed := &scoring.Look{Verdict: scoring.Promote, Tests: 20, Estimate: 0.5, Low: 0.25, High: 0.75, Z: 2.9, Upper: 2.4}
	plain := &scoring.Look{Verdict: scoring.Promote, Tests: 20, Estimate: 0.5, Low: 0.5, High: 0.5}
	look := &scoring.Look{Verdict: scoring.Continue, Tests: 20, Estimate: 0.5, Low: -0.25, High: 1.25, Z: 1.2, Upper: 2.4, More: 60}
	result := &arena.Result{Verdict: arena.VerdictPromoted, TestsUsed: 40, Reason: "better by much"}
	result.Candidate.Model, result.Champion.Model = "new", "old"
	for want, e := range map[string]arena.Event{
		"M1: lease: held by jarvis-heal; waiting up to 30 s":                       {Type: arena.EventWaiting, Cause: "lease: held by jarvis-heal", Limit: 30 * time.Second},
		"M1: it may still get traffic: no healer answers":                          {Type: arena.EventTraffic, Cause: "no healer answers"},
		"M1: 3 requests of others are under way: the figures are less sure":        {Type: arena.EventBusy, Count: 3},
		"M1: new against old, at most 300 tests of both":                           {Type: arena.EventStarted, Model: "new", Opponent: "old", Most: 300},
		"M1: old against itself, 280 tests":                                        {Type: arena.EventStarted, Model: "old", Opponent: "old", SelfTest: true, Most: 280},
		"M1: measuring old, 200 tests":                                             {Type: arena.EventStarted, Model: "old", Opponent: "old", Method: arena.MethodMeasured, Most: 200},
		"M1: 4 candidates, the best of them against old, at most 540 tests of all": {Type: arena.EventStarted, Candidates: 4, Opponent: "old", Most: 540},
		"M1: new against old, going on after 7 tests of all":                       {Type: arena.EventResumed, Model: "new", Opponent: "old", Done: 7},
		"M1: 4 candidates against old, going on after 7 tests of all":              {Type: arena.EventResumed, Candidates: 4, Opponent: "old", Done: 7},
		"M1: a tournament of new was cut short after 7 tests of all: ending it":    {Type: arena.EventRecovering, Model: "new", Opponent: "old", Done: 7},
		"M1: loading new":                                                                                          {Type: arena.EventLoading, Model: "new"},
		"M1: new is loaded (2.1 s)":                                                                                {Type: arena.EventLoaded, Model: "new", Took: 2149 * time.Millisecond},
		"M1: the server doesn't answer: restarting it":                                                             {Type: arena.EventRestarting},
		"M1: waiting for the server, up to 5 min: probe: connection refused":                                       {Type: arena.EventAway, Cause: "probe: connection refused", Limit: 5 * time.Minute},
		"M1: waiting for the server, up to 90 s: it hangs":                                                         {Type: arena.EventAway, Cause: "it hangs", Limit: 90 * time.Second},
		"M1: waiting for the server, up to 2 h: it hangs":                                                          {Type: arena.EventAway, Cause: "it hangs", Limit: 2 * time.Hour},
		"M1: new: the speed was not steady":                                                                        {Type: arena.EventUnsteady, Model: "new", Cause: "the speed was not steady"},
		"M1: new: 3 tests in a row without an answer: it is gone; loading it again":                                {Type: arena.EventReloading, Model: "new", Count: 3, Cause: "it is gone"},
		"M1: new could not be loaded":                                                                              {Type: arena.EventDropped, Model: "new", Cause: "new could not be loaded"},
		"M1: after 20 tests of the candidate: +0.50 [-0.25 … +1.25], z 1.20 of 2.40, about 60 more":                {Type: arena.EventLook, Look: look},
		"M1: not confirmed: after 20 tests of the candidate: +0.50 [-0.25 … +1.25], z 1.20 of 2.40, about 60 more": {Type: arena.EventConfirmed, Look: look},
		"M1: confirmed: after 20 tests of the candidate: +0.50 [+0.25 … +0.75], z 2.90 of 2.40":                    {Type: arena.EventConfirmed, Look: confirmed},
		"M1: after 20 tests of the candidate: +0.50":                                                               {Type: arena.EventLook, Look: plain},
		"M1: new is the best of the candidates":                                                                    {Type: arena.EventChosen, Model: "new"},
		"M1: old serves again":                                                                                     {Type: arena.EventRestored, Model: "old"},
		"M1: PROMOTED new over old after 40 tests of the candidate: better by much":                                {Type: arena.EventPromoted, Model: "new", Result: result},
		"M1: test new":    {Type: arena.EventTest, Model: "new"},
		"M1: warming new": {Type: arena.EventWarming, Model: "new"},
	} {
		e.Node = "M1"
		if got := e.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
