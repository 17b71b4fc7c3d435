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

// mostEvidence is the greatest number of the champion's own runs that count, the
// latest ones.
const mostEvidence = 10

// writeHistory writes the session's runs and, after a promotion, the champion.
// Doing it again changes nothing.
func (t *tournament) writeHistory(ctx context.Context, verdict Verdict) error {
	store := t.arena.config.History
	for _, r := range []Role{Champion, Candidate} {
		tests := t.champions()
		if r == Candidate {
			tests = t.candidate
		}
		if len(tests) == 0 {
			continue
		}
		run := t.historyRun(r, tests)
		run.Crowned = r == Candidate && verdict == VerdictPromoted
		if _, err := store.Append(ctx, run); err != nil {
			return fmt.Errorf("%s: record the tournament: %w", t.Node, err)
		}
	}
	if verdict != VerdictPromoted {
		return nil
	}
	score := t.weights.Score(scoring.Measure(t.candidate))
	champion := history.Champion{
		Model: t.Candidate.Name, Score: scoring.Round(score.Composite), Since: time.Now(),
		Config: t.conditions(t.Candidate), Node: t.Node, RunID: t.runID(Candidate),
	}
	if before, ok, err := store.Champion(ctx); err != nil {
		return fmt.Errorf("%s: record the champion: %w", t.Node, err)
	} else if ok && before.RunID == champion.RunID {
		return nil // recorded before
	}
	if err := store.SetChampion(ctx, champion); err != nil {
		return fmt.Errorf("%s: record the champion: %w", t.Node, err)
	}
	return nil
}

// historyRun returns a model's part of the session as a run of the history.
func (t *tournament) historyRun(r Role, tests []scoring.Test) history.Run {
	sample := scoring.Measure(tests)
	model := t.model(r)
	errors := sample.Errors
	total := history.Tally{Pass: sample.Passed, Total: sample.Tests, Latency: &sample.Latency}
	run := history.Run{
		Time: time.Now(), Type: t.Type, Model: model.Name, Config: t.conditions(model),
		Score: t.weights.Score(sample).Composite, PassRate: 100 * float64(sample.Passed) / float64(sample.Tests),
		Latency: sample.Latency, Tests: sample.Tests, ByNode: map[string]history.Tally{t.Node: total},
		ByDomain: byDomain(tests), ID: t.runID(r), Node: t.Node, Errors: &errors, Suite: t.Hash,
		Digest: model.Digest, Engine: t.node.Engine, EngineVersion: t.EngineVersion, P95: scoring.LatencyQuantile(tests, 0.95),
		FirstToken: meanFirstToken(tests), Results: tests, Session: t.ID, Unsteady: t.unsteady[r],
	}
	return run
}

// conditions returns the conditions under which a model was asked, as the
// history compares them.
func (t *tournament) conditions(model nodes.Model) map[string]any {
	return t.arena.conditions(model, t.Parallel)
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
	return list
}

func meanFirstToken(tests []scoring.Test) time.Duration {
	list := firstTokens(tests)
	var sum time.Duration
	for _, d := range list {
		sum += d
	}
	return sum / time.Duration(max(len(list), 1))
}

// evidence sets the champion's own earlier runs that count: those on the same
// tasks under the same conditions since it was crowned, without the run that
// crowned it. With names it sets the runs of these IDs.
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
		Config: a.conditions(p.Champion, p.Parallel), Engine: node.Engine, EngineVersion: p.EngineVersion,
	}
	var since time.Time
	if crowned {
		since = champion.Since
	}
	if p.Halves {
		runs = ofHalf(runs, a.drawn(0, false).Hash(), p.Hash)
	}
	if names != nil {
		p.use(slices.DeleteFunc(slices.Clone(runs), func(r history.Run) bool { return !slices.Contains(names, r.ID) }))
		return nil
	}
	p.choose(runs, like, since)
	return nil
}

// ofHalf returns the runs with those on the whole suite as runs on a half of it:
// they have its tasks, too.
func ofHalf(runs []history.Run, whole, half string) []history.Run {
	runs = slices.Clone(runs)
	for i := range runs {
		if runs[i].Suite == whole {
			runs[i].Suite = half
		}
	}
	return runs
}

// choose sets the champion's own earlier runs that count, and says which don't.
func (p *progress) choose(runs []history.Run, like history.Run, since time.Time) {
	p.use(history.Evidence(runs, like, since))
	for _, u := range history.UnusedRuns(runs, like, since) {
		p.Unused = append(p.Unused, u.String())
	}
}

// use sets the champion's own earlier runs: the latest ones, without bursts of
// errors.
func (p *progress) use(runs []history.Run) {
	p.history, p.Evidence = nil, nil
	for _, run := range slices.Backward(runs[max(0, len(runs)-mostEvidence):]) {
		if tests := scoring.WithoutBursts(run.Results); len(tests) > 0 {
			p.history = append(p.history, tests)
			p.Evidence = append(p.Evidence, run.ID)
		}
	}
}
