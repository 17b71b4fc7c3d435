package alert

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// late is the age from which on an alert is delivered with its time.
const late = time.Minute

// receiver delivers the alerts of one service.
type receiver struct {
	sender  Sender
	options Options
	retry   *backoff.ExponentialBackOff
	failing bool

	mu     sync.Mutex
	policy *policy
	// inFlight are the alerts of the current delivery or of the one to be tried
	// again, queue are those behind them, and dropped counts those for which
	// there was no room.
	inFlight, queue []message
	dropped         int
	wake            chan struct{}
}

func newReceiver(s Service, o Options) *receiver {
	return &receiver{
		sender: s.Sender, options: o, policy: newPolicy(s.Events, o), wake: make(chan struct{}, 1),
		// Spread: two healers that lost the same network don't retry in step.
		retry: exponential(o.RetryInitial, o.RetryMax, 0.2),
	}
}

func (c *receiver) emit(e healer.Event) {
	c.mu.Lock()
	c.push(c.policy.observe(e, time.Now()))
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// push queues alerts and drops the oldest if there is no room. c.mu is held.
func (c *receiver) push(list []message) {
	c.queue = append(c.queue, list...)
	if over := len(c.queue) - c.options.Queue; over > 0 {
		c.queue = append([]message(nil), c.queue[over:]...)
		c.dropped += over
	}
}

// nextText puts alerts in flight and returns the text of their delivery. If
// there are none, it returns the time at which the policy has one.
func (c *receiver) nextText() (text string, next time.Time) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.push(c.policy.due(now))
	if len(c.inFlight) == 0 && len(c.queue) == 0 {
		return "", c.policy.next()
	}
	var lines []string
	used := 0
	line := func(m message) string {
		text := m.line(c.options.Title, now)
		used += len(m.line(c.options.Title, m.at.Add(late))) + 1 // as long as it may get until it is delivered
		return text
	}
	for _, m := range c.inFlight {
		lines = append(lines, line(m))
	}
	if c.dropped > 0 { // told in the place of those that are lost
		note := message{at: now, text: "earlier alerts are lost, they could not be delivered in time: " + strconv.Itoa(c.dropped), dropped: c.dropped}
		lines = append(lines, line(note))
		c.inFlight, c.dropped = append(c.inFlight, note), 0
	}
	for len(c.queue) > 0 {
		next := line(c.queue[0])
		if used > MaxText {
			break
		}
		lines = append(lines, next)
		c.inFlight = append(c.inFlight, c.queue[0])
		c.queue = c.queue[1:]
	}
	return strings.Join(lines, "\n"), time.Time{}
}

// line returns the alert as one line, of half of MaxText at most.
func (m message) line(title string, now time.Time) string {
	line := m.text
	if title != "" {
		line = title + ": " + line
	}
	if now.Sub(m.at) >= late {
		line = m.at.Format("[2006-01-02 15:04:05] ") + line
	}
	if len(line) > MaxText/2 {
		line = strings.ToValidUTF8(line[:MaxText/2], "") + "…"
	}
	return line
}

// done ends the delivery in flight. Alerts that were not delivered count as
// dropped.
func (c *receiver) done(delivered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delivered {
		c.inFlight = nil
		return
	}
	c.dropped += count(c.inFlight)
	c.inFlight = nil
}

// count returns the number of alerts in a list, including the dropped ones that
// an entry stands for.
func count(list []message) int {
	n := 0
	for _, m := range list {
		n += max(1, m.dropped)
	}
	return n
}

// run delivers until ctx ends, and then flushes. A delivery that is under way at
// the end gets half of the time to flush: cutting it off and repeating it could
// deliver it twice.
func (c *receiver) run(ctx context.Context) {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.options.Flush/2, cut) })()
	for ctx.Err() == nil {
		text, next := c.nextText()
		if text == "" {
			c.wait(ctx, next)
			continue
		}
		if pause := c.deliver(work, text); pause > 0 {
			nodes.Sleep(ctx, pause)
		}
	}
	c.flush(ctx)
}

// wait waits for a new alert, until next.
func (c *receiver) wait(ctx context.Context, next time.Time) {
	var timer <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-timer:
	}
}

// maxRetryAfter bounds the pause that a service asks for.
const maxRetryAfter = time.Hour

// deliver tries once, and returns the pause before the next delivery.
func (c *receiver) deliver(work context.Context, text string) time.Duration {
	sendCtx, cancel := context.WithTimeout(work, c.options.SendTimeout)
	err := c.sender.Send(sendCtx, text)
	cancel()
	if err == nil {
		c.done(true)
		c.retry.Reset()
		if c.failing {
			c.failing = false
			c.options.Report(fmt.Sprintf("alerts: %s takes alerts again", c.sender.Name()))
		}
		return 0
	}
	if work.Err() != nil {
		return 0 // cut off at the end: the flush tries it again
	}
	var e *SendError
	permanent := errors.As(err, &e) && e.Permanent
	if permanent {
		c.done(false)
	}
	if !c.failing {
		c.failing = true
		then := "tried again until it works"
		if permanent {
			then = "not tried again; correct the service's address"
		}
		c.options.Report(fmt.Sprintf("alerts: %s: %v; %s", c.sender.Name(), err, then))
	}
	pause := c.retry.NextBackOff()
	if e != nil && e.RetryAfter > 0 {
		pause = max(pause, min(e.RetryAfter, maxRetryAfter))
	}
	return pause
}

// flush delivers the queued alerts until one fails or the time is over.
func (c *receiver) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Flush/2)
	defer cancel()
	for {
		text, _ := c.nextText()
		if text == "" {
			return
		}
		sendCtx, cancel := context.WithTimeout(ctx, c.options.SendTimeout)
		err := c.sender.Send(sendCtx, text)
		cancel()
		if err != nil {
			c.mu.Lock()
			n := count(c.inFlight) + len(c.queue) + c.dropped
			c.mu.Unlock()
			c.options.Report(fmt.Sprintf("alerts: %s: not delivered before the end: %s: %v", c.sender.Name(), alerts(n), err))
			return
		}
		c.done(true)
	}
}

func alerts(n int) string {
	if n == 1 {
		return "1 alert"
	}
	return strconv.Itoa(n) + " alerts"
}
