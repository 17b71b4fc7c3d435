// Package scoring says how good an answer is, and how good a run.
//
// An answer is graded by a [Grader]: right or wrong, nothing between. What a
// model wrote is seldom the bare answer: it comes wrapped in thinking, Markdown,
// LaTeX and politeness, in one of several ways to write a number, in English or
// French. [Expect] looks through all of that, and still doesn't take "14",
// "not 4" or a repeated question for a "4".
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
