// Package grade decides whether an answer to a question is right.
//
// A [Grader] says right or wrong, nothing between. What a model wrote is seldom
// the bare answer: it comes wrapped in thinking, Markdown, LaTeX and politeness,
// in one of several ways to write a number, in English or French. [Expect] looks
// through all of that, and still doesn't take "14", "not 4" or a repeated
// question for a "4". [OneOf] takes one of several texts, [Regex] a pattern,
// [Number] a number within a tolerance and with a unit, [JSON] a value inside
// JSON, [Choice] a letter of a multiple choice.
//
// The package is pure: no clock, no network, no files, no state. Everything in
// it may be used from any number of goroutines at once.
package grade
