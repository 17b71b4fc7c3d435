package history

import (
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Evidence returns the runs that count as evidence about a model, in their
// order: those of the model and digest of like, made under the same conditions
// (see [Comparable]), with single results, that ended at since or later. A run
// that crowned its model is left out: its score is biased upwards by the
// selection (winner's curse).
func Evidence(runs []Run, like Run, since time.Time) []Run {
	var list []Run
	for _, run := range runs {
		if run.Model == like.Model && run.Digest == like.Digest && Comparable(run, like) &&
			len(run.Results) > 0 && !run.Crowned && !run.Time.Before(since) {
			list = append(list, run)
		}
	}
	return list
}

// ChampionRuns returns the champion's own runs since it was crowned, in their
// order: its [Evidence] under the conditions of the run that crowned it, where
// that is among the runs, or else of its latest run with the settings that it
// was crowned with. Rows that tell of one run should have been folded before,
// see [Fold].
func ChampionRuns(runs []Run, c Champion) []Run {
	var latest *Run
	for i, run := range slices.Backward(runs) {
		switch {
		case run.Model != c.Model || len(run.Results) == 0 || c.Node != "" && run.Node != c.Node:
		case c.RunID != "" && run.ID == c.RunID:
			return Evidence(runs, run, c.Since)
		case latest == nil && !run.Crowned && !run.Time.Before(c.Since) && holds(run.Config, c.Config):
			latest = &runs[i]
		}
	}
	if latest == nil {
		return nil
	}
	return Evidence(runs, *latest, c.Since)
}

// Before returns the champion that one took over from: the other model of the
// tournament that crowned it, with the run that had crowned that one, if it is
// among the runs, or else with its run in the tournament. ok is false where the
// tournament isn't among the runs.
func Before(runs []Run, c Champion) (before Champion, ok bool) {
	crowning := slices.IndexFunc(runs, func(r Run) bool { return r.ID == c.RunID && r.ID != "" && r.Session != "" })
	if crowning < 0 {
		return Champion{}, false
	}
	won := runs[crowning]
	other := slices.IndexFunc(runs, func(r Run) bool { return r.Session == won.Session && r.ID != won.ID })
	if other < 0 {
		return Champion{}, false
	}
	best := runs[other]
	for _, r := range runs {
		if r.Crowned && r.Model == best.Model && r.Node == best.Node && r.Time.Before(won.Time) && (!best.Crowned || best.Time.Before(r.Time)) {
			best = r
		}
	}
	return Champion{
		Model: best.Model, Score: scoring.Round(best.Score), Since: best.Time, Config: best.Config, Node: best.Node, RunID: best.ID,
	}, true
}

// holds reports whether a run was made with these settings, others beside.
func holds(config, settings map[string]any) bool {
	for name, value := range settings {
		if now, there := config[name]; !there || !sameValue(now, value) {
			return false
		}
	}
	return true
}

// ChampionScore is how good the champion is, by its runs since it was crowned.
type ChampionScore struct {
	// Mean is the mean of the runs' composites, between Low and High with 95 %.
	// Without runs it is the score that the champion was crowned with, which is
	// higher than the true one more often than lower; Low and High are then 0
	// and 10, as they are for a single run.
	Mean, Low, High float64
	// Runs is how many there are.
	Runs int
}

// ScoreChampion returns how good the champion is, by its [ChampionRuns]. The
// weights are the composite's; the zero value means [scoring.Default].
func ScoreChampion(runs []Run, c Champion, weights scoring.Composite) ChampionScore {
	var list []float64
	for _, run := range ChampionRuns(runs, c) {
		list = append(list, weights.Score(scoring.Measure(run.Results)).Composite)
	}
	if len(list) == 0 {
		return ChampionScore{Mean: c.Score, High: 10}
	}
	score := ChampionScore{Runs: len(list)}
	score.Mean, score.Low, score.High = scoring.MeanInterval(list)
	return score
}
