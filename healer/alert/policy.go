package alert

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/healer"
)

// criticalQuiet bounds how long a critical alert is held back.
const criticalQuiet = time.Minute

// maxQuiet bounds how far apart the summaries of a restless node get.
const maxQuiet = time.Hour

// message is one alert.
type message struct {
	at   time.Time
	text string
	// lost is how many alerts this one stands for, which are lost; else 0.
	lost int
}

// policy decides which events become alerts. It knows no clock and no lock;
// time comes in as an argument.
type policy struct {
	options   Options
	events    map[healer.EventType]bool
	incidents map[string]*incident // by node, "" is the cluster
	notices   map[string]time.Time // when something was told that is no incident
}

// incident is the trouble of one node, and what was told of it.
type incident struct {
	open bool
	seen time.Time // its latest event
	// told is the highest rank told since it opened, waiting the event that is
	// held back, nil for none.
	told    healer.Severity
	texts   map[string]bool
	waiting *healer.Event
	// worst is the event that was told last, and since when it holds.
	worst healer.Event
	// Until quietUntil nothing is told but summed up: silent counts the
	// incidents that came and went, last is the end of the latest.
	quiet      time.Duration
	quietUntil time.Time
	quietSince time.Time
	silent     int
	last       healer.Event
	// repeatAt is when a critical incident is told again; zero is never.
	repeatAt time.Time
	repeats  *backoff.ExponentialBackOff
}

func newPolicy(events []healer.EventType, o Options) *policy {
	if events == nil {
		events = DefaultEvents()
	}
	p := &policy{options: o, events: map[healer.EventType]bool{}, incidents: map[string]*incident{}, notices: map[string]time.Time{}}
	for _, t := range events {
		p.events[t] = true
	}
	return p
}

// see returns the alerts that an event makes now.
func (p *policy) see(e healer.Event, now time.Time) []message {
	info := e.Type.Info()
	rank, ends := info.Severity, info.Ends
	i := p.incidents[e.Node]
	switch {
	case rank > 0 && (e.Node != "" || e.Type == healer.EventCritical):
		return p.worse(e, rank, now)
	case ends && i != nil && i.open:
		return p.end(i, e, now)
	}
	return p.notice(e, now)
}

// worse opens an incident, or takes note that it got worse.
func (p *policy) worse(e healer.Event, rank healer.Severity, now time.Time) []message {
	i := p.incidents[e.Node]
	if i == nil {
		i = &incident{quiet: p.options.Quiet}
		p.incidents[e.Node] = i
	}
	// A small repair in passing, of a second instance for instance, has no end
	// of its own.
	passed := i.told <= healer.SeverityRepair && now.Sub(i.seen) > maxQuiet
	i.seen = now
	if !i.open || passed {
		i.open, i.told, i.texts, i.waiting = true, 0, map[string]bool{}, nil
	}
	if !p.events[e.Type] {
		return nil
	}
	// Two ways of having got worse are two alerts; anything else of one rank
	// is the same trouble in other words.
	again := rank == healer.SeverityDegraded && rank == i.told && !i.texts[e.Text()] && len(i.texts) < 5
	if rank <= i.told && !again {
		return nil
	}
	if i.waiting == nil || rank >= i.waiting.Type.Info().Severity {
		i.waiting = &e
	}
	if now.Before(i.heldUntil()) {
		return nil
	}
	return p.tell(i, now)
}

// heldUntil is when the waiting alert may be told.
func (i *incident) heldUntil() time.Time {
	if i.waiting != nil && i.waiting.Type.Info().Severity == healer.SeverityCritical {
		if limit := i.quietSince.Add(criticalQuiet); limit.Before(i.quietUntil) {
			return limit
		}
	}
	return i.quietUntil
}

// tell tells what waits.
func (p *policy) tell(i *incident, now time.Time) []message {
	e := *i.waiting
	i.waiting, i.worst, i.told = nil, e, e.Type.Info().Severity
	i.texts[e.Text()] = true
	text := e.String()
	if i.silent > 0 {
		text += fmt.Sprintf(" (after it failed and healed %s since %s)", times(i.silent), clock(i.quietSince))
		i.silent = 0
	}
	if i.told == healer.SeverityCritical {
		i.repeats = exponential(p.options.RepeatInitial, p.options.RepeatMax, 0)
		i.repeatAt = now.Add(i.repeats.NextBackOff())
	}
	return []message{{at: e.Time, text: text}}
}

// end closes an incident.
func (p *policy) end(i *incident, e healer.Event, now time.Time) []message {
	told, held := i.told > 0, now.Before(i.quietUntil)
	i.open, i.told, i.waiting, i.repeatAt, i.last = false, 0, nil, time.Time{}, e
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

// notice tells what is no part of an incident, once for the quiet time.
func (p *policy) notice(e healer.Event, now time.Time) []message {
	if !p.events[e.Type] {
		return nil
	}
	maps.DeleteFunc(p.notices, func(_ string, at time.Time) bool { return now.Sub(at) >= p.options.Quiet })
	key := string(e.Type) + "\x00" + e.String()
	if _, told := p.notices[key]; told {
		return nil
	}
	p.notices[key] = now
	return []message{{at: e.Time, text: e.String()}}
}

// due returns the alerts whose time has come.
func (p *policy) due(now time.Time) []message {
	var list []message
	for _, key := range slices.Sorted(maps.Keys(p.incidents)) {
		i := p.incidents[key]
		if i.waiting != nil && !now.Before(i.heldUntil()) {
			list = append(list, p.tell(i, now)...)
		}
		if !i.quietUntil.IsZero() && !now.Before(i.quietUntil) {
			list = append(list, p.calm(i, now)...)
		}
		if !i.repeatAt.IsZero() && !now.Before(i.repeatAt) {
			if p.repeated(key) {
				list = append(list, message{at: now, text: fmt.Sprintf("still, after %s: %s", brief(now.Sub(i.worst.Time)), i.worst)})
			}
			i.repeatAt = now.Add(i.repeats.NextBackOff())
		}
	}
	return list
}

// repeated reports whether the critical incidents of a node are told again.
// While nothing serves at all, that alone is repeated.
func (p *policy) repeated(node string) bool {
	cluster := p.incidents[""]
	return node == "" || cluster == nil || cluster.repeatAt.IsZero()
}

// calm ends the quiet time: what happened in it is summed up, and the next one
// lasts longer; after one in which nothing happened, it is short again.
func (p *policy) calm(i *incident, now time.Time) []message {
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

// next is when due has something to say, zero where it never has.
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

// exponential doubles from initial up to limit, spread by the given share.
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

// brief is a duration for people: "42 s", "12 min", "3 h 20 min".
func brief(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
