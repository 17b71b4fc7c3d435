package scoring

import (
	"slices"
	"time"
)

// Outcome tells whether a test got an answer.
type Outcome string

// The outcomes of a test.
const (
	// Answered: an answer came, right or wrong, whole or cut.
	Answered Outcome = "answered"
	// TimedOut: no answer within the test's time limit.
	TimedOut Outcome = "timed_out"
	// Failed: no answer for another reason, such as a refused connection, an
	// error of the server or a broken protocol.
	Failed Outcome = "failed"
)

// Test is the result of asking one model one task once.
type Test struct {
	// Task is the ID of the task, Domain the task's domain.
	Task, Domain string
	// Cycle is the number of the repetition, from 0.
	Cycle int
	// Outcome tells whether an answer came, Passed whether it was right. Only
	// an answered test can have passed.
	Outcome Outcome
	Passed  bool
	// Latency is the time from the question to the end of the answer. For a
	// time-out it is the time limit, for other errors it is meaningless.
	Latency time.Duration
	// FirstToken is the time to the first token, 0 where unknown.
	FirstToken time.Duration
	// Tokens is the number of tokens in the answer, thinking included, 0 where
	// unknown.
	Tokens int
	// Anomaly tells what was wrong with the form of the answer, "" for nothing.
	// Its JSON name is that of older records.
	Anomaly Anomaly `json:"Mark"`
	// Burst is the number of the burst of errors that the test was lost in, from 1
	// on; 0 for none, or not known yet: see [MarkBursts].
	Burst int `json:",omitzero"`
}

// Anomaly is what can be wrong with the form of an answer. A test with one has
// not passed.
type Anomaly string

// The anomalies.
const (
	// AnomalyCut: the answer was cut off by the token limit.
	AnomalyCut Anomaly = "cut"
	// AnomalyEmpty: the answer has no text, whatever tokens were counted.
	AnomalyEmpty Anomaly = "empty"
)

// Error reports whether the test got no answer.
func (t Test) Error() bool { return t.Outcome != Answered }

// Timed reports whether the test's latency counts: that of an answer does, and
// that of a time-out, with the time-out's value.
func (t Test) Timed() bool { return t.Outcome == Answered || t.Outcome == TimedOut }

// Measure sums up tests for a [Scorer]. An error is not passed, and its latency
// counts only if it is a time-out.
func Measure(tests []Test) Sample {
	s := Sample{Tests: len(tests)}
	var total time.Duration
	timed := 0
	for _, t := range tests {
		switch {
		case t.Error():
			s.Errors++
		case t.Passed:
			s.Passed++
		}
		if t.Timed() {
			total += t.Latency
			timed++
		}
	}
	if timed > 0 {
		s.Latency = total / time.Duration(timed)
	}
	return s
}

// LatencyQuantile returns the quantile p, 0 to 1, of the latencies by nearest
// rank. Errors other than time-outs are left out. It is 0 without latencies.
func LatencyQuantile(tests []Test, p float64) time.Duration {
	var list []time.Duration
	for _, t := range tests {
		if t.Timed() {
			list = append(list, t.Latency)
		}
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[nearestRank(len(list), p)]
}
