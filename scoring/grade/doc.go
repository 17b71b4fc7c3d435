// Package grade decides whether a model's answer to a question is right.
//
// A [Grader] returns right or wrong. The answer of a model is seldom the bare
// answer: it contains thinking, Markdown, LaTeX and courtesies, and writes
// numbers in several ways, in English or French. [Expect] reads such answers,
// and does not accept "14", "not 4" or a repeated question for an expected "4".
// [OneOf] accepts one of several texts, [Regex] a pattern, [Number] a number
// with a tolerance and a unit, [JSON] a value inside JSON, [Choice] a letter of
// a multiple choice.
//
// The package is pure: it uses no clock, network, files or state. All of it is
// safe for concurrent use.
package grade
