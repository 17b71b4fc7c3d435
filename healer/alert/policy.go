package alert

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/internal/duration"
)

// criticalQuiet bounds how long a critical alert is held back.
const criticalQuiet = time.Minute

// maxQuiet bounds the pause between two summaries of a node that flaps.
const maxQuiet = time.Hour

// message is one alert.
type message struct {
	at   time.Time
	text string
	// dropped is the number of dropped alerts that this one stands for, else 0.
	dropped int
}

// policy decides which events become alerts. It has no clock and no lock: the
// time is an argument.
type policy struct {
	options   Options
	events    map[healer.EventType]bool
	incidents map[string]*incident // by node; "" is the cluster
	informed  map[string]time.Time // events that belong to no incident, by text
}

// incident is the current or latest incident of one node, with what was told
// about it.
type incident struct {
	open bool
	seen time.Time // its latest event
	// notified is the highest severity told since it opened, waiting the event
	// that is held back, nil for none, and texts what was told.
	notified healer.Severity
	texts    map[string]bool
	waiting  *healer.Event
	// worst is the event that was told last.
	worst healer.Event
	// From quietSince to quietUntil, incidents are counted as silent and told
	// in one summary. quiet is the length of that time, last the end of the
	// latest incident in it.
	quiet      time.Duration
	quietUntil time.Time
	quietSince time.Time
	silent     int
	last       healer.Event
	// repeatAt is the time of the next repetition of a critical alert; zero
	// means none.
	repeatAt time.Time
	repeats  *backoff.ExponentialBackOff
}

func newPolicy(events []healer.EventType, o Options) *policy {
	if events == nil {
		events = DefaultEvents()
	}
	p := &policy{options: o, events: map[healer.EventType]bool{}, incidents: map[string]*incident{}, informed: map[string]time.Time{}}
	for _, t := range events {
		p.events[t] = true
	}
	return p
}

// observe takes an event and returns the alerts to send now.
func (p *policy) observe(e healer.Event, now time.Time) []message {
	info := e.Type.Info()
	severity, ends := info.Severity, info.Ends
	i := p.incidents[e.Node]
	switch {
	case severity > 0 && (e.Node != "" || e.Type == healer.EventCritical):
		return p.escalate(e, severity, now)
	case ends && i != nil && i.open:
		return p.resolve(i, e, now)
	}
	return p.inform(e, now)
}

// escalate opens an incident, or raises its severity.
func (p *policy) escalate(e healer.Event, severity healer.Severity, now time.Time) []message {
	i := p.incidents[e.Node]
	if i == nil {
		i = &incident{quiet: p.options.Quiet}
		p.incidents[e.Node] = i
	}
	// A small repair in service, such as unloading a second instance, has no
	// event that ends it.
	passed := i.notified <= healer.SeverityRepair && now.Sub(i.seen) > maxQuiet
	i.seen = now
	if !i.open || passed {
		i.open, i.notified, i.texts, i.waiting = true, 0, map[string]bool{}, nil
	}
	if !p.events[e.Type] {
		return nil
	}
	// Two different degradations are two alerts. Otherwise an event of the same
	// severity is the same incident in other words.
	again := severity == healer.SeverityDegraded && severity == i.notified && !i.texts[e.Text()] && len(i.texts) < 5
	if severity <= i.notified && !again {
		return nil
	}
	if i.waiting == nil || severity >= i.waiting.Type.Info().Severity {
		i.waiting = &e
	}
	if now.Before(i.heldUntil()) {
		return nil
	}
	return p.notify(i, now)
}

// heldUntil is the time from which the waiting alert may be told.
func (i *incident) heldUntil() time.Time {
	if i.waiting != nil && i.waiting.Type.Info().Severity == healer.SeverityCritical {
		if limit := i.quietSince.Add(criticalQuiet); limit.Before(i.quietUntil) {
			return limit
		}
	}
	return i.quietUntil
}

// notify returns the alert that waits.
func (p *policy) notify(i *incident, now time.Time) []message {
	e := *i.waiting
	i.waiting, i.worst, i.notified = nil, e, e.Type.Info().Severity
	i.texts[e.Text()] = true
	text := e.String()
	if i.silent > 0 {
		text += fmt.Sprintf(" (after it failed and healed %s since %s)", times(i.silent), clock(i.quietSince))
		i.silent = 0
	}
	if i.notified == healer.SeverityCritical && p.options.RepeatInitial != Off {
		i.repeats = exponential(p.options.RepeatInitial, p.options.RepeatMax, 0)
		i.repeatAt = now.Add(i.repeats.NextBackOff())
	}
	return []message{{at: e.Time, text: text}}
}

// resolve closes an incident.
func (p *policy) resolve(i *incident, e healer.Event, now time.Time) []message {
	told, held := i.notified > 0, now.Before(i.quietUntil)
	i.open, i.notified, i.waiting, i.repeatAt, i.last = false, 0, nil, time.Time{}, e
	switch {
	case !told && !p.events[e.Type]:
		return nil
	case !told && held:
		i.silent++
		return nil
	}
	if !held {
		i.quietSince, i.quietUntil = now, now.Add(i.quiet)
	}
	return []message{{at: e.Time, text: e.String()}}
}

// inform tells an event that belongs to no incident, once in a quiet time.
func (p *policy) inform(e healer.Event, now time.Time) []message {
	if !p.events[e.Type] {
		return nil
	}
	maps.DeleteFunc(p.informed, func(_ string, at time.Time) bool { return now.Sub(at) >= p.options.Quiet })
	key := string(e.Type) + "\x00" + e.String()
	if _, told := p.informed[key]; told {
		return nil
	}
	p.informed[key] = now
	return []message{{at: e.Time, text: e.String()}}
}

// due returns the alerts that are to be sent by now: held back, summaries and
// repetitions.
func (p *policy) due(now time.Time) []message {
	var list []message
	for _, key := range slices.Sorted(maps.Keys(p.incidents)) {
		i := p.incidents[key]
		if i.waiting != nil && !now.Before(i.heldUntil()) {
			list = append(list, p.notify(i, now)...)
		}
		if !i.quietUntil.IsZero() && !now.Before(i.quietUntil) {
			list = append(list, p.endQuiet(i, now)...)
		}
		if !i.repeatAt.IsZero() && !now.Before(i.repeatAt) {
			if p.repeated(key) {
				list = append(list, message{at: now, text: fmt.Sprintf("still, after %s: %s", duration.Text(now.Sub(i.worst.Time)), i.worst)})
			}
			i.repeatAt = now.Add(i.repeats.NextBackOff())
		}
	}
	return list
}

// repeated reports whether critical alerts of a node are repeated. While no node
// serves, only that alert is.
func (p *policy) repeated(node string) bool {
	cluster := p.incidents[""]
	return node == "" || cluster == nil || cluster.repeatAt.IsZero()
}

// endQuiet ends a quiet time with a summary and begins one twice as long; after
// one without an incident the next is short again.
func (p *policy) endQuiet(i *incident, now time.Time) []message {
	since, silent := i.quietSince, i.silent
	i.quietUntil, i.quietSince, i.silent = time.Time{}, time.Time{}, 0
	if silent == 0 {
		i.quiet = p.options.Quiet
		return nil
	}
	i.quiet = min(2*i.quiet, max(maxQuiet, p.options.Quiet))
	i.quietSince, i.quietUntil = now, now.Add(i.quiet)
	return []message{{at: now, text: fmt.Sprintf("%s (%s more since %s)", i.last, times(silent), clock(since))}}
}

// next returns the time at which due returns an alert, zero for never.
func (p *policy) next() time.Time {
	var first time.Time
	take := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, i := range p.incidents {
		if i.waiting != nil {
			take(i.heldUntil())
		}
		take(i.quietUntil)
		take(i.repeatAt)
	}
	return first
}

// exponential returns pauses that double from initial to limit, each spread by
// the given share.
func exponential(initial, limit time.Duration, spread float64) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: initial, MaxInterval: limit, Multiplier: 2, RandomizationFactor: spread}
}

func clock(t time.Time) string { return t.Format("15:04") }

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
