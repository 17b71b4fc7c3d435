package healer

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/scoring/grade"
)

// Policy holds every figure of the healer. Start from [DefaultPolicy].
type Policy struct {
	// Interval is from one probe of a node to the next.
	Interval time.Duration
	// RetryAfter is the pause between a failed check and the one that
	// confirms it.
	RetryAfter time.Duration
	// Grace is how long requests under way may take before a repair.
	Grace time.Duration
	// CanaryEvery is how long a node may go without an answer before it is
	// asked for one. CanaryTimeout bounds the wait for its first token.
	CanaryEvery, CanaryTimeout time.Duration
	// Questions are the mini-benchmark, Threshold the share of right answers,
	// 0 to 1, that passes.
	Questions []Question
	Threshold float64
	// QuestionTimeout bounds one question of the mini-benchmark.
	QuestionTimeout time.Duration
	// QuestionsEvery is how often a node in service is asked them, beside
	// after every repair and whenever its model's file changes; 0 is never.
	QuestionsEvery time.Duration
	// MaxAttempts is how many repairs an incident gets before the node is
	// given up on for the time being.
	MaxAttempts int
	// MaxRepairs is how many nodes may be under repair at once; 0 is one of
	// every three, at least one.
	MaxRepairs int
	// BackoffInitial is the pause after the first failed repair. Each later
	// one is twice as long, up to BackoffMax.
	BackoffInitial, BackoffMax time.Duration
	// Settle is how long a verified node must stay healthy until its model is
	// the last known good, and its failed repairs are forgotten.
	Settle time.Duration
	// RestartWait is how long a restarted server may take to answer. Servers
	// that load their model before they listen take minutes; a second restart
	// would begin that anew.
	RestartWait time.Duration
	// BusyLimit is how long a server may say that it is busy, without one
	// token seen, until it is taken for wedged: a queue that is full of
	// requests that hang says busy, too.
	BusyLimit time.Duration
	// AdoptDrift keeps another model that somebody loaded, instead of
	// restoring the wanted one.
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

// Validate returns an error that names the first figure that makes no sense.
func (p Policy) Validate() error {
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"interval", p.Interval}, {"retry_after", p.RetryAfter},
		{"canary.every", p.CanaryEvery}, {"canary.timeout", p.CanaryTimeout},
		{"mini_benchmark.timeout", p.QuestionTimeout},
		{"backoff.initial", p.BackoffInitial}, {"backoff.max", p.BackoffMax},
		{"restart_wait", p.RestartWait}, {"busy_limit", p.BusyLimit},
	} {
		if d.d <= 0 {
			return fmt.Errorf("%s: %s is not a positive duration", d.name, d.d)
		}
	}
	switch {
	case p.Grace < 0 || p.Settle < 0 || p.QuestionsEvery < 0:
		return fmt.Errorf("grace, settle and mini_benchmark.every must not be negative")
	case p.Threshold <= 0 || p.Threshold > 1:
		return fmt.Errorf("mini_benchmark.threshold: %v is not in 0 to 1", p.Threshold)
	case len(p.Questions) == 0:
		return fmt.Errorf("mini_benchmark.questions: none given; a repair could not be verified")
	case p.MaxAttempts < 1:
		return fmt.Errorf("max_attempts: %d is less than 1", p.MaxAttempts)
	case p.MaxRepairs < 0:
		return fmt.Errorf("max_repairs: %d is negative", p.MaxRepairs)
	}
	for i, q := range p.Questions {
		if q.Prompt == "" || q.Expect == "" {
			return fmt.Errorf("mini_benchmark.questions[%d]: prompt and expect must both be given", i)
		}
		if _, err := grade.Expect(q.Expect); err != nil {
			return fmt.Errorf("mini_benchmark.questions[%d].expect: %w", i, err)
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
