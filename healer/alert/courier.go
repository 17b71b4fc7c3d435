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

// courier delivers to one service.
type courier struct {
	sender  Sender
	options Options
	retry   *backoff.ExponentialBackOff
	failing bool

	mu     sync.Mutex
	policy *policy
	// carried are the alerts of the delivery under way, or of the one to be
	// tried again; queue those behind them; lost counts those dropped.
	carried, queue []message
	lost           int
	wake           chan struct{}
}

func newCourier(s Service, o Options) *courier {
	return &courier{
		sender: s.Sender, options: o, policy: newPolicy(s.Events, o), wake: make(chan struct{}, 1),
		// A little spread: two healers that lost the same network don't come
		// back in step.
		retry: exponential(o.RetryInitial, o.RetryMax, 0.2),
	}
}

func (c *courier) emit(e healer.Event) {
	c.mu.Lock()
	c.push(c.policy.see(e, time.Now()))
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// push queues alerts, and drops the oldest where there is no room. c.mu is
// held.
func (c *courier) push(list []message) {
	c.queue = append(c.queue, list...)
	if over := len(c.queue) - c.options.Queue; over > 0 {
		c.queue = append([]message(nil), c.queue[over:]...)
		c.lost += over
	}
}

// take makes the text of the next delivery, "" where nothing waits, and
// returns when there will be something.
func (c *courier) take() (text string, next time.Time) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.push(c.policy.due(now))
	if len(c.carried) == 0 && len(c.queue) == 0 {
		return "", c.policy.next()
	}
	var lines []string
	used := 0
	line := func(m message) string {
		text := m.line(c.options.Title, now)
		used += len(m.line(c.options.Title, m.at.Add(late))) + 1 // as long as it may get until it is delivered
		return text
	}
	for _, m := range c.carried {
		lines = append(lines, line(m))
	}
	if c.lost > 0 { // told in the place of those that are lost
		note := message{at: now, text: "earlier alerts are lost, they could not be delivered in time: " + strconv.Itoa(c.lost), lost: c.lost}
		lines = append(lines, line(note))
		c.carried, c.lost = append(c.carried, note), 0
	}
	for len(c.queue) > 0 {
		next := line(c.queue[0])
		if used > MaxText {
			break
		}
		lines = append(lines, next)
		c.carried = append(c.carried, c.queue[0])
		c.queue = c.queue[1:]
	}
	return strings.Join(lines, "\n"), time.Time{}
}

// line is the alert as one line, cut so that any one has room in a text.
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

// done forgets what was carried: delivered, or not deliverable.
func (c *courier) done(delivered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delivered {
		c.carried = nil
		return
	}
	c.lost += count(c.carried)
	c.carried = nil
}

// count is how many alerts are in a list, those lost before included.
func count(list []message) int {
	n := 0
	for _, m := range list {
		n += max(1, m.lost)
	}
	return n
}

// run delivers until ctx ends, and then flushes. A delivery under way at the
// end gets half of the time that is left, so that none is cut off, and done
// twice, that was about to succeed.
func (c *courier) run(ctx context.Context) {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.options.Flush/2, cut) })()
	for ctx.Err() == nil {
		text, next := c.take()
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

// wait waits until something new is there, or the time has come.
func (c *courier) wait(ctx context.Context, next time.Time) {
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

// maxRetryAfter bounds a service's wish: one that asks for a day is asked again
// before that.
const maxRetryAfter = time.Hour

// deliver tries once, and returns how long to wait before the next delivery.
func (c *courier) deliver(work context.Context, text string) time.Duration {
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

// flush delivers what still waits, as long as that works and there is time.
func (c *courier) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Flush/2)
	defer cancel()
	for {
		text, _ := c.take()
		if text == "" {
			return
		}
		sendCtx, cancel := context.WithTimeout(ctx, c.options.SendTimeout)
		err := c.sender.Send(sendCtx, text)
		cancel()
		if err != nil {
			c.mu.Lock()
			n := count(c.carried) + len(c.queue) + c.lost
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
