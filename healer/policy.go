package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/scoring/grade"
)

// Off turns off what a field of [Policy] sets, where its comment says so.
const Off time.Duration = -1

// Policy holds the figures of the healer. A zero field means its default, that of
// [DefaultPolicy].
type Policy struct {
	// Interval is the time from the start of one probe of a node to that of the
	// next.
	Interval time.Duration
	// RetryAfter is the pause between a failed check and the check that confirms
	// it.
	RetryAfter time.Duration
	// Grace limits how long a repair waits for requests under way; with [Off] it
	// does not wait.
	Grace time.Duration
	// CanaryEvery is the time without an answer after which a node is asked for
	// one token. CanaryTimeout limits the wait for that token.
	CanaryEvery, CanaryTimeout time.Duration
	// Questions are the mini-benchmark. Threshold is the share of right answers,
	// above 0 to 1, with which a node passes it.
	Questions []Question
	Threshold float64
	// QuestionTimeout limits the answer to one question of the mini-benchmark.
	QuestionTimeout time.Duration
	// QuestionsEvery is the time after which a node in service is asked the
	// mini-benchmark again; with [Off] only after repairs and when its model's
	// file changes.
	QuestionsEvery time.Duration
	// MaxAttempts is the number of repairs in one incident before the node is
	// given up on for the time being.
	MaxAttempts int
	// MaxRepairs is the number of nodes that may be under repair at once. The
	// default is one of every three, and at least one.
	MaxRepairs int
	// BackoffInitial is the pause after the first failed repair. Each later
	// pause is twice as long, up to BackoffMax.
	BackoffInitial, BackoffMax time.Duration
	// Settle is how long a verified node must stay healthy until its model is
	// the last known good and its failed repairs are forgotten; with [Off] it
	// need not.
	Settle time.Duration
	// RestartWait is how long a restarted server may take to answer. Servers
	// that load their model before they listen take minutes, and a second
	// restart would begin that again.
	RestartWait time.Duration
	// BusyLimit is how long a server may say that it is busy, without a token
	// seen, until it counts as wedged: a queue full of requests that hang says
	// busy, too.
	BusyLimit time.Duration
	// AdoptDrift keeps another model that somebody loaded, instead of restoring
	// the wanted one.
	AdoptDrift bool
}

// Question is one question of the mini-benchmark.
type Question struct {
	// Prompt is sent as it is.
	Prompt string
	// Expect is the right answer, graded by [grade.Expect]: case, accents,
	// punctuation and thinking don't matter, and "14" is not "4".
	Expect string
}

// DefaultPolicy returns the figures that a cluster starts with.
func DefaultPolicy() Policy {
	return Policy{
		Interval:        time.Minute,
		RetryAfter:      5 * time.Second,
		Grace:           10 * time.Second,
		CanaryEvery:     5 * time.Minute,
		CanaryTimeout:   30 * time.Second,
		Questions:       DefaultQuestions(),
		Threshold:       0.66,
		QuestionTimeout: time.Minute,
		QuestionsEvery:  30 * time.Minute,
		MaxAttempts:     3,
		BackoffInitial:  10 * time.Second,
		BackoffMax:      5 * time.Minute,
		Settle:          10 * time.Minute,
		RestartWait:     5 * time.Minute,
		BusyLimit:       10 * time.Minute,
	}
}

// DefaultQuestions are three that every instruction-tuned model of a billion
// parameters and more answers right.
func DefaultQuestions() []Question {
	return []Question{
		{Prompt: "What is 2+2? Answer with the number only.", Expect: "4"},
		{Prompt: "What is the capital of France? Answer with one word.", Expect: "Paris"},
		{Prompt: "What is the opposite of hot? Answer with one word.", Expect: "cold"},
	}
}

// PolicyError is a figure of a [Policy] that makes no sense.
type PolicyError struct {
	// Field is the name of the field: "Interval", "Questions[0].Expect".
	Field string
	// Problem says what is wrong with it.
	Problem string
	// Err is the cause, nil for none.
	Err error
}

// Error implements error.
func (e *PolicyError) Error() string { return e.Field + ": " + e.Problem }

// Unwrap returns Err.
func (e *PolicyError) Unwrap() error { return e.Err }

// filled returns the policy with the default in every field that is zero, and
// with zero in every field that is [Off].
func (p Policy) filled() Policy {
	d := DefaultPolicy()
	for _, f := range []struct{ to, from *time.Duration }{
		{&p.Interval, &d.Interval}, {&p.RetryAfter, &d.RetryAfter}, {&p.Grace, &d.Grace},
		{&p.CanaryEvery, &d.CanaryEvery}, {&p.CanaryTimeout, &d.CanaryTimeout},
		{&p.QuestionTimeout, &d.QuestionTimeout}, {&p.QuestionsEvery, &d.QuestionsEvery},
		{&p.BackoffInitial, &d.BackoffInitial}, {&p.BackoffMax, &d.BackoffMax},
		{&p.Settle, &d.Settle}, {&p.RestartWait, &d.RestartWait}, {&p.BusyLimit, &d.BusyLimit},
	} {
		if *f.to == 0 {
			*f.to = *f.from
		}
	}
	for _, f := range []*time.Duration{&p.Grace, &p.QuestionsEvery, &p.Settle} {
		if *f == Off {
			*f = 0
		}
	}
	if p.Questions == nil {
		p.Questions = d.Questions
	}
	if p.Threshold == 0 {
		p.Threshold = d.Threshold
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = d.MaxAttempts
	}
	return p
}

// Validate returns a [*PolicyError] for the first figure that makes no sense.
func (p Policy) Validate() error {
	p = p.filled()
	bad := func(field, format string, args ...any) error {
		return &PolicyError{Field: field, Problem: fmt.Sprintf(format, args...)}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"Interval", p.Interval}, {"RetryAfter", p.RetryAfter},
		{"CanaryEvery", p.CanaryEvery}, {"CanaryTimeout", p.CanaryTimeout},
		{"QuestionTimeout", p.QuestionTimeout},
		{"BackoffInitial", p.BackoffInitial}, {"BackoffMax", p.BackoffMax},
		{"RestartWait", p.RestartWait}, {"BusyLimit", p.BusyLimit},
	} {
		if d.d <= 0 {
			return bad(d.name, "%s is not a positive duration", d.d)
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"Grace", p.Grace}, {"Settle", p.Settle}, {"QuestionsEvery", p.QuestionsEvery}} {
		if d.d < 0 {
			return bad(d.name, "%s is negative", d.d)
		}
	}
	switch {
	case p.Threshold <= 0 || p.Threshold > 1:
		return bad("Threshold", "%v is not in 0 to 1", p.Threshold)
	case len(p.Questions) == 0:
		return bad("Questions", "none given; a repair could not be verified")
	case p.MaxAttempts < 1:
		return bad("MaxAttempts", "%d is less than 1", p.MaxAttempts)
	case p.MaxRepairs < 0:
		return bad("MaxRepairs", "%d is negative", p.MaxRepairs)
	}
	for i, q := range p.Questions {
		field := fmt.Sprintf("Questions[%d]", i)
		if q.Prompt == "" || q.Expect == "" {
			return bad(field, "prompt and expected answer must both be given")
		}
		if _, err := grade.Expect(q.Expect); err != nil {
			return &PolicyError{Field: field + ".Expect", Problem: err.Error(), Err: err}
		}
	}
	return nil
}

// repairsAtOnce is how many of n nodes may be under repair at once.
func (p Policy) repairsAtOnce(n int) int {
	if p.MaxRepairs > 0 {
		return p.MaxRepairs
	}
	return max(1, n/3)
}

// backoff is the pause after the given number of failed repairs.
func (p Policy) backoff(attempts int) time.Duration {
	if attempts <= 0 {
		return 0
	}
	d := p.BackoffInitial
	for range min(attempts-1, 32) {
		if d >= p.BackoffMax/2 {
			return p.BackoffMax
		}
		d *= 2
	}
	return min(d, p.BackoffMax)
}
