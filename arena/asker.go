package arena

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

const (
	// warmupMost is the greatest number of answers discarded after the warm-up
	// proper. The speed is steady if the range of the last three is below
	// steadyWithin of their greatest.
	warmupMost   = 10
	steadyWithin = 0.10
	// busyTries is how often a busy server is asked: that others are being
	// served is no fault of the model.
	busyTries = 5
	busyPause = time.Second
)

// asker asks a model questions.
type asker struct {
	node    *nodes.Node
	model   nodes.Model
	figures Figures
}

// ask makes one test. The error is the cause of ctx's end.
func (a asker) ask(ctx context.Context, s slot) (scoring.Test, error) {
	t := scoring.Test{Task: s.task.ID, Domain: s.task.Domain, Cycle: s.cycle, Outcome: scoring.Answered}
	limited, cancel := context.WithTimeout(ctx, a.figures.Timeout)
	defer cancel()
	began := time.Now()
	reply, err := a.chat(limited, s)
	took := time.Since(began)
	switch {
	case ctx.Err() != nil:
		return scoring.Test{}, context.Cause(ctx)
	case err == nil:
	case limited.Err() != nil || errors.Is(err, nodes.TimedOut):
		t.Outcome, t.Latency = scoring.TimedOut, a.figures.Timeout
		return t, nil
	case errors.Is(err, nodes.Empty):
		t.Latency, t.Anomaly = took, scoring.AnomalyEmpty
		return t, nil
	default:
		t.Outcome = scoring.Failed
		return t, nil
	}
	t.Latency, t.FirstToken, t.Tokens = reply.Duration, reply.FirstToken, reply.Tokens
	if t.Latency <= 0 {
		t.Latency = took
	}
	switch {
	case reply.Finish == "length":
		t.Anomaly = scoring.AnomalyCut
	case strings.TrimSpace(reply.Text) == "":
		t.Anomaly = scoring.AnomalyEmpty
	default:
		t.Passed = s.task.Grader.Grade(s.task.Prompt, reply.Text)
	}
	return t, nil
}

// chat asks one question, again if the server is busy with others.
func (a asker) chat(ctx context.Context, s slot) (reply nodes.ChatReply, err error) {
	temperature, limit := a.figures.Temperature, s.task.MaxTokens
	if limit == 0 {
		limit = a.figures.MaxTokens
	}
	for range busyTries {
		reply, err = a.node.Ask(ctx, nodes.ChatRequest{
			Model: a.model.Name,
			Messages: []nodes.Message{
				// The beginning differs between tests, so that no server
				// answers from a cached prefix.
				{Role: nodes.RoleSystem, Text: fmt.Sprintf("Test %08x. Answer briefly.", s.seed)},
				{Role: nodes.RoleUser, Text: s.task.Prompt},
			},
			MaxTokens:   limit,
			Temperature: &temperature,
			Seed:        &s.seed,
			Stream:      true,
			OnlyLoaded:  true,
			Wake:        true,
			Settings:    a.model.Settings,
		})
		if !errors.Is(err, nodes.Busy) || !nodes.Sleep(ctx, max(nodes.RetryAfter(err), busyPause)) {
			return reply, err
		}
	}
	return reply, err
}

// warm asks questions and discards the answers until the speed is steady. It
// returns why the figures that follow are less certain than usual, "" if they
// are not. told is called after each answer.
func (a asker) warm(ctx context.Context, slots func(int) slot, told func()) (unsteady string, err error) {
	if a.figures.Warmup <= 0 {
		return "", nil
	}
	var rates []float64
	for i := range a.figures.Warmup + warmupMost {
		t, err := a.ask(ctx, slots(i))
		if err != nil {
			return "", err
		}
		told()
		if rate, ok := speed(t); ok {
			rates = append(rates, rate)
		} else if i >= 2 && len(rates) == 0 {
			break // waiting for ten more time-outs would tell nothing
		}
		if i+1 >= a.figures.Warmup && steady(rates) {
			return "", nil
		}
	}
	if len(rates) == 0 {
		return "the warm-up got no answer whose speed could be told", nil
	}
	return fmt.Sprintf("the speed was not steady after %d answers", a.figures.Warmup+warmupMost), nil
}

// speed returns the tokens per second of a test; ok is false if unknown.
func speed(t scoring.Test) (rate float64, ok bool) {
	if t.Outcome != scoring.Answered || t.Tokens == 0 || t.Latency <= 0 {
		return 0, false
	}
	return float64(t.Tokens) / t.Latency.Seconds(), true
}

// steady reports whether the range of the last three rates is small.
func steady(rates []float64) bool {
	if len(rates) < 3 {
		return false
	}
	low, high := math.Inf(1), 0.0
	for _, r := range rates[len(rates)-3:] {
		low, high = min(low, r), max(high, r)
	}
	return high-low < steadyWithin*high
}
