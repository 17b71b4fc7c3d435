// Package scoring says how good a run of a model was, which of two models is
// better, and whether a model got worse. Single answers are graded by package
// [github.com/turbone/jarvis/scoring/grade].
//
// A run is graded by a [Scorer]; the usual one is [Composite], a weighted sum
// of quality, speed and reliability. [Score] keeps the parts beside the sum,
// because the sum alone hides things: above ten seconds no slowdown shows in it.
//
// Two models are compared by a [Plan]: it looks at the [Evidence] while a
// tournament goes on and says when it is enough, so that over all looks an
// equal candidate is promoted in about 5 of 100 tournaments. The figures that
// it reaches are simulated:
//
//	go run ./scoring/internal/simulation/tournaments
//
// Whether a model got worse is told by [Regressions] from its runs, task by
// task, with a second run to confirm it; by [PlainRegressions] where only the
// sums of the runs are known. An [Alarm] says what got worse, by how much, and
// how sure it is.
//
// The package is pure: no clock, no network, no files, no state. Everything in
// it may be used from any number of goroutines at once.
package scoring
