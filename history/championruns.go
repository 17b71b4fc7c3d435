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
// order: its [Evidence] under the conditions of the crowning run or, if that is
// not among the runs, of its latest run with the champion's settings. The rows have
// to be folded (see [Fold]).
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

// Before returns the champion before c: the other model of the tournament that
// crowned c. Its run is the one that had crowned it or, if that is not among the
// runs, its run in the tournament. ok is false if the tournament is not among the
// runs.
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

// holds reports whether config contains all of settings.
func holds(config, settings map[string]any) bool {
	for name, value := range settings {
		if now, there := config[name]; !there || !sameValue(now, value) {
			return false
		}
	}
	return true
}

// ChampionScore is the mean score of a champion since it was crowned.
type ChampionScore struct {
	// Mean is the mean composite of the runs, Low and High are its 95 % confidence
	// interval. Without runs, Mean is the score of the crowning run, which is biased
	// upwards. The interval of fewer than two runs is 0 to 10.
	Mean, Low, High float64
	// Runs is the number of runs.
	Runs int
}

// ScoreChampion returns the mean score of the [ChampionRuns]. The zero value of
// weights means [scoring.Default].
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
