package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Evidence returns the runs that count as evidence about a model, in their
// order: those of the model and digest of like, by the same engine and version,
// made under the same conditions (see [Comparable]), with single results, that
// ended at since or later. A run that crowned its model is left out: its score is
// biased upwards by the selection (winner's curse).
func Evidence(runs []Run, like Run, since time.Time) []Run {
	var list []Run
	for _, run := range runs {
		if ownSince(run, like, since) && run.Digest == like.Digest && sameEngine(run, like) && sameConfig(run.Config, like.Config) {
			list = append(list, run)
		}
	}
	return list
}

// ownSince reports whether a run would be evidence about the model of like but for
// the model's file, the engine and the settings.
func ownSince(run, like Run, since time.Time) bool {
	return run.Model == like.Model && run.Suite != "" && run.Suite == like.Suite && run.Node == like.Node && run.Type == like.Type &&
		len(run.Results) > 0 && !run.Crowned && !run.Time.Before(since)
}

// sameEngine reports whether two runs were made by the same version of an engine.
func sameEngine(a, b Run) bool { return a.Engine == b.Engine && a.EngineVersion == b.EngineVersion }

// Unused is a number of a model's runs that are no evidence about it now, with
// the cause. Exactly one of the causes is set.
type Unused struct {
	Runs int
	// File: the model's file was another one. Settings: they were other ones.
	File, Settings bool
	// Engine is the version of the engine then, Now the one now.
	Engine, Now string
}

// String returns a sentence.
func (u Unused) String() string {
	runs := "1 earlier run"
	if u.Runs != 1 {
		runs = fmt.Sprintf("%d earlier runs", u.Runs)
	}
	switch {
	case u.File:
		return runs + " not used: another file of the model"
	case u.Settings:
		return runs + " not used: other settings"
	}
	return fmt.Sprintf("%s not used: %s, now %s", runs, u.Engine, u.Now)
}

// UnusedRuns returns which runs on the same tasks are no [Evidence] about the model
// of like, by cause, the cause of the latest run first.
func UnusedRuns(runs []Run, like Run, since time.Time) []Unused {
	var list []Unused
	for _, run := range slices.Backward(runs) {
		if !ownSince(run, like, since) {
			continue
		}
		var cause Unused
		switch {
		case run.Digest != like.Digest:
			cause.File = true
		case !sameEngine(run, like):
			cause.Engine, cause.Now = engineText(run), engineText(like)
			if run.Engine == like.Engine && like.EngineVersion != "" {
				cause.Now = like.EngineVersion
			}
		case !sameConfig(run.Config, like.Config):
			cause.Settings = true
		default:
			continue
		}
		i := slices.IndexFunc(list, func(u Unused) bool { u.Runs = 0; return u == cause })
		if i < 0 {
			i = len(list)
			list = append(list, cause)
		}
		list[i].Runs++
	}
	return list
}

// engineText returns the name and version of a run's engine.
func engineText(run Run) string {
	return cmp.Or(run.Engine, "an unknown engine") + " " + cmp.Or(run.EngineVersion, "of an unknown version")
}

// ChampionRuns returns the champion's own runs since it was crowned, in their
// order: its [Evidence] under the conditions of the crowning run, by the engine
// version of the latest run, or, if the crowning run is not among the runs, under
// the conditions of its latest run with the champion's settings. The rows have to
// be folded (see [Fold]).
func ChampionRuns(runs []Run, c Champion) []Run {
	var latest *Run
	for i, run := range slices.Backward(runs) {
		switch {
		case run.Model != c.Model || len(run.Results) == 0 || c.Node != "" && run.Node != c.Node:
		case c.RunID != "" && run.ID == c.RunID:
			return Evidence(runs, byLatestEngine(runs, run, c.Since), c.Since)
		case latest == nil && !run.Crowned && !run.Time.Before(c.Since) && holds(run.Config, c.Config):
			latest = &runs[i]
		}
	}
	if latest == nil {
		return nil
	}
	return Evidence(runs, *latest, c.Since)
}

// byLatestEngine returns a run with the engine version of its model's latest run
// under the same conditions.
func byLatestEngine(runs []Run, run Run, since time.Time) Run {
	for _, later := range slices.Backward(runs) {
		if ownSince(later, run, since) && later.Digest == run.Digest && sameConfig(later.Config, run.Config) {
			run.Engine, run.EngineVersion = later.Engine, later.EngineVersion
			break
		}
	}
	return run
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
