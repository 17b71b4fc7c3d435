package arena

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// runType is the type of a tournament's runs in the history. Long and short
// tournaments share it: they ask the same tasks under the same conditions.
const runType = "arena"

// mostEvidence is how many of the champion's own runs count at most, the
// latest.
const mostEvidence = 10

// runID names a model's run of a session, the same each time it is recorded.
func (s session) runID(r Role) string { return s.ID + "-" + string(r) }

// record writes the session's runs and, where there is one, the new champion.
// Doing it again changes nothing.
func (m *match) record(ctx context.Context, verdict Verdict) error {
	store := m.hold.arena.config.History
	version := ""
	if s, err := m.hold.node.Probe(ctx); err == nil {
		version = s.Version
	}
	for _, r := range []Role{Champion, Candidate} {
		tests := m.champion()
		if r == Candidate {
			tests = m.candidate
		}
		if len(tests) == 0 {
			continue
		}
		run := m.run(r, tests)
		run.EngineVersion = version
		run.Crowned = r == Candidate && verdict == VerdictPromoted
		if _, err := store.Append(ctx, run); err != nil {
			return fmt.Errorf("%s: record the tournament: %w", m.Node, err)
		}
	}
	if verdict != VerdictPromoted {
		return nil
	}
	score := m.weights.Score(scoring.Measure(m.candidate))
	champion := history.Champion{
		Model: m.Candidate.Name, Score: scoring.Round(score.Composite), Since: time.Now(),
		Config: m.conditions(m.Candidate), Node: m.Node, RunID: m.runID(Candidate),
	}
	if before, ok, err := store.Champion(ctx); err != nil {
		return fmt.Errorf("%s: record the champion: %w", m.Node, err)
	} else if ok && before.RunID == champion.RunID {
		return nil // recorded before
	}
	if err := store.SetChampion(ctx, champion); err != nil {
		return fmt.Errorf("%s: record the champion: %w", m.Node, err)
	}
	return nil
}

// run is a model's part of the session as the history keeps it.
func (m *match) run(r Role, tests []scoring.Test) history.Run {
	sample := scoring.Measure(tests)
	model := m.model(r)
	errors := sample.Errors
	total := history.Tally{Pass: sample.Passed, Total: sample.Tests, Latency: &sample.Latency}
	run := history.Run{
		Time: time.Now(), Type: m.Type, Model: model.Name, Config: m.conditions(model),
		Score: m.weights.Score(sample).Composite, PassRate: 100 * float64(sample.Passed) / float64(sample.Tests),
		Latency: sample.Latency, Tests: sample.Tests, ByNode: map[string]history.Tally{m.Node: total},
		ByDomain: byDomain(tests), ID: m.runID(r), Node: m.Node, Errors: &errors, Suite: m.Hash,
		Digest: model.Digest, Engine: m.hold.node.Engine, P95: scoring.LatencyQuantile(tests, 0.95),
		FirstToken: meanFirstToken(tests), Results: tests, Session: m.ID, Unsteady: m.unsteady[r],
	}
	return run
}

// conditions are what a model was asked under.
func (m *match) conditions(model nodes.Model) map[string]any {
	return m.hold.arena.conditions(model, m.Parallel)
}

func (a *Organizer) conditions(model nodes.Model, parallel int) map[string]any {
	config := map[string]any{}
	maps.Copy(config, model.Settings)
	config["temperature"] = a.figures.Temperature
	config["max_tokens"] = a.figures.MaxTokens
	if parallel > 1 {
		config["parallel"] = parallel
	}
	return config
}

func byDomain(tests []scoring.Test) map[string]history.Tally {
	parts := map[string][]scoring.Test{}
	for _, t := range tests {
		parts[t.Domain] = append(parts[t.Domain], t)
	}
	tallies := map[string]history.Tally{}
	for domain, tests := range parts {
		sample := scoring.Measure(tests)
		tallies[domain] = history.Tally{Pass: sample.Passed, Total: sample.Tests, Latency: &sample.Latency}
	}
	return tallies
}

func firstTokens(tests []scoring.Test) []time.Duration {
	var list []time.Duration
	for _, t := range tests {
		if t.FirstToken > 0 {
			list = append(list, t.FirstToken)
		}
	}
	slices.Sort(list)
	return list
}

func medianFirstToken(tests []scoring.Test) time.Duration {
	list := firstTokens(tests)
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

func meanFirstToken(tests []scoring.Test) time.Duration {
	list := firstTokens(tests)
	var sum time.Duration
	for _, d := range list {
		sum += d
	}
	return sum / time.Duration(max(len(list), 1))
}

// evidence finds the champion's own earlier runs that count: on the same tasks
// under the same conditions, since it was crowned, without the run that crowned
// it. With names given, it is those runs.
func (a *Organizer) evidence(ctx context.Context, node *nodes.Node, p *progress, names []string) error {
	runs, err := a.config.History.Runs(ctx)
	if err != nil {
		return fmt.Errorf("%s: look for the champion's runs: %w", p.Node, err)
	}
	champion, crowned, err := a.config.History.Champion(ctx)
	if err != nil {
		return fmt.Errorf("%s: look for the champion: %w", p.Node, err)
	}
	crowned = crowned && node.Same(champion.Model, p.Champion.Name) && (champion.Node == "" || champion.Node == p.Node)
	if crowned && p.Stored == nil {
		p.Stored = &champion.Score
	}
	like := history.Run{
		Type: p.Type, Node: p.Node, Suite: p.Hash, Model: p.Champion.Name, Digest: p.Champion.Digest,
		Config: a.conditions(p.Champion, p.Parallel),
	}
	var since time.Time
	if crowned {
		since = champion.Since
	}
	if names == nil {
		runs = history.Evidence(runs, like, since)
	} else {
		runs = slices.DeleteFunc(slices.Clone(runs), func(r history.Run) bool { return !slices.Contains(names, r.ID) })
	}
	p.history = nil
	for _, run := range slices.Backward(runs[max(0, len(runs)-mostEvidence):]) {
		p.history = append(p.history, run.Results)
		if names == nil {
			p.Evidence = append(p.Evidence, run.ID)
		}
	}
	return nil
}
