// Package alert tells people what happened to a cluster, and only what they
// need to know.
//
// A node that is in trouble makes a dozen events. Of these, one alert tells the
// incident, another one tells that it got worse, and a last one its end. A
// critical incident is told again and again, less and less often, until it
// ends. A node that fails and heals every few minutes is summed up.
//
// An [Alerter] is a sink of the healer. Each service it tells has a queue and a
// goroutine of its own, so that one that is slow or gone delays neither a
// repair nor the other services. What waits is sent together; what there is no
// room for is dropped, oldest first, and counted.
package alert

import (
	"context"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
)

// Sender delivers a text to a service: a messenger, a mailbox, a pager.
type Sender interface {
	// Name tells services apart in logs. It holds no secret.
	Name() string
	// Send delivers text, of at most [MaxText] bytes, and returns when the
	// service has it. It must return soon after ctx ended. An error may wrap a
	// *[SendError]; its text goes into logs and must hold no secret.
	Send(ctx context.Context, text string) error
}

// MaxText is the longest text that is sent at once, in bytes. Of the services
// in use, Telegram's limit of 4096 characters is among the lowest.
const MaxText = 3500

// SendError says how to go on after a failed delivery.
type SendError struct {
	// RetryAfter is the service's wish, 0 where it named none.
	RetryAfter time.Duration
	// Permanent: the same text would fail again: a wrong token, an unknown
	// recipient.
	Permanent bool
	Err       error
}

// Error is the cause's.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Service is somebody to tell.
type Service struct {
	Sender Sender
	// Events are the types worth an alert; nil means [DefaultEvents]. The end
	// of an incident that was told is told in any case.
	Events []healer.EventType
}

// DefaultEvents are what people want to be woken for, or to find in the
// morning: not every suspicion, and not what healed before anybody noticed,
// apart from the fact.
func DefaultEvents() []healer.EventType {
	return []healer.EventType{
		healer.EventCritical, healer.EventOffline, healer.EventMisconfigured, healer.EventDegraded,
		healer.EventRegression, healer.EventRollback, healer.EventHealed, healer.EventPromoted,
	}
}

// Options hold the figures; a zero one means its default.
type Options struct {
	// Title stands before every text: the cluster's or the machine's name.
	Title string
	// Quiet is how long after an incident's end the same node's next ones are
	// gathered into one alert; 5 minutes. Critical ones wait a minute at most.
	Quiet time.Duration
	// RepeatInitial is from a critical alert to its first repetition, 5
	// minutes; each later pause is twice as long, up to RepeatMax, 4 hours.
	RepeatInitial, RepeatMax time.Duration
	// SendTimeout bounds one delivery; 15 s.
	SendTimeout time.Duration
	// RetryInitial is from a failed delivery to the next, 2 s; each later
	// pause is twice as long, up to RetryMax, 5 minutes.
	RetryInitial, RetryMax time.Duration
	// Queue is how many alerts wait for a service; 64.
	Queue int
	// Flush bounds what is still delivered when stopping; 5 s.
	Flush time.Duration
	// Report, where not nil, is told when deliveries begin to fail and when
	// they work again. It is called from several goroutines.
	Report func(text string)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	set(&o.Quiet, 5*time.Minute)
	set(&o.RepeatInitial, 5*time.Minute)
	set(&o.RepeatMax, 4*time.Hour)
	set(&o.SendTimeout, 15*time.Second)
	set(&o.RetryInitial, 2*time.Second)
	set(&o.RetryMax, 5*time.Minute)
	set(&o.Flush, 5*time.Second)
	if o.Queue <= 0 {
		o.Queue = 64
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	return o
}

// Alerter tells services what happened. It is a [healer.Sink]; its methods are
// safe for concurrent use.
type Alerter struct{ couriers []*courier }

// New makes an alerter. Nothing is delivered before Run.
func New(services []Service, o Options) *Alerter {
	o = o.withDefaults()
	a := &Alerter{}
	for _, s := range services {
		a.couriers = append(a.couriers, newCourier(s, o))
	}
	return a
}

// Emit takes an event. It never blocks for longer than a decision takes.
func (a *Alerter) Emit(e healer.Event) {
	for _, c := range a.couriers {
		c.emit(e)
	}
}

// Run delivers until ctx ends, then what still waits, for at most
// [Options.Flush], and returns when no delivery is under way any more.
func (a *Alerter) Run(ctx context.Context) {
	var wg conc.WaitGroup
	for _, c := range a.couriers {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
}
