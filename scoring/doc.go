// Package scoring scores the runs of a model, decides which of two models is
// better, and detects that a model got worse. Package
// [github.com/turbone/jarvis/scoring/grade] grades the single answers.
//
// A [Scorer] computes the score of a run. The usual one is [Composite], a
// weighted sum of quality, speed and reliability. [Score] keeps the parts beside
// the sum, because the sum hides some changes: above ten seconds of latency a
// further slowdown doesn't change it.
//
// A [Plan] compares two models. It analyses the [Evidence] at several looks
// during a tournament and decides when the evidence suffices. Over all looks an
// equal candidate is promoted in about 5 of 100 tournaments. The error rates and
// the numbers of tests are simulated by
//
//	JARVIS_FULL=1 go test -v -run TestWhatTournamentsAchieve ./arena
//
// [Regressions] detects that a model got worse, from its runs task by task, with
// a second run to confirm it; [PlainRegressions] does so where only the sums of
// the runs are known. An [Alarm] tells what got worse, by how much, and with
// what confidence.
//
// [MeanInterval] and [ShareInterval] return confidence intervals, [Trend] a slope with
// its own.
//
// The package is pure: it uses no clock, network, files or state. All of it is
// safe for concurrent use.
package scoring
