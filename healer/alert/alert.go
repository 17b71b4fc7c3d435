// Package alert sends alerts about a cluster to messengers, mailboxes and pagers.
//
// The events of a node's incident are grouped: one alert tells its begin, one
// each increase of its severity, and one its end. A critical alert is repeated
// with growing pauses until the incident ends. Incidents of a node that flaps
// are told in one summary.
//
// An [Alerter] is a sink of the healer. Each service has a queue and a goroutine
// of its own, so that a slow service delays neither a repair nor the other
// services. Queued alerts are sent in one text. If the queue is full, the oldest
// alerts are dropped and counted.
package alert

import (
	"context"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
)

// Sender delivers texts to a service, such as a messenger or a pager.
type Sender interface {
	// Name is the service's name in logs. It holds no secret.
	Name() string
	// Send delivers text, of at most [MaxText] bytes, and returns when the
	// service has accepted it. It must return soon after ctx ended. The error
	// may wrap a *[SendError]. Its text is logged and must hold no secret.
	Send(ctx context.Context, text string) error
}

// MaxText is the length of the longest text that is sent, in bytes. Telegram's
// limit of 4096 characters is among the lowest of the services in use.
const MaxText = 3500

// SendError is the error of a delivery with what is known about a retry.
type SendError struct {
	// RetryAfter is the pause that the service asked for, 0 if it named none.
	RetryAfter time.Duration
	// Permanent means that a retry would fail as well, such as with a wrong
	// token or an unknown recipient.
	Permanent bool
	Err       error
}

// Error returns the text of Err.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *SendError) Unwrap() error { return e.Err }

// Service is a receiver of alerts.
type Service struct {
	Sender Sender
	// Events are the types that make an alert; nil means [DefaultEvents]. The
	// end of an incident is told in any case if the incident was.
	Events []healer.EventType
}

// DefaultEvents returns the types that make an alert by default: incidents that
// need attention, and their ends. Suspicions, drains and single repairs are left
// out.
func DefaultEvents() []healer.EventType {
	return []healer.EventType{
		healer.EventCritical, healer.EventOffline, healer.EventMisconfigured, healer.EventDegraded,
		healer.EventRegression, healer.EventRollback, healer.EventHealed, healer.EventPromoted,
	}
}

// Off as [Options.Quiet] tells every incident at once, and as
// [Options.RepeatInitial] repeats no alert.
const Off time.Duration = -1

// Options are the settings of an [Alerter]. The zero value of each field means
// its default.
type Options struct {
	// Title is put before every text, such as the name of the cluster.
	Title string
	// Quiet is the time after an incident in which further incidents of the
	// same node are held back for one summary, a critical one for a minute at
	// most; 5 minutes by default, or [Off].
	Quiet time.Duration
	// RepeatInitial is the pause before the first repetition of a critical
	// alert, 5 minutes by default, or [Off]. Each later pause is twice as long,
	// up to RepeatMax, 4 hours by default.
	RepeatInitial, RepeatMax time.Duration
	// SendTimeout bounds one delivery; 15 s by default.
	SendTimeout time.Duration
	// RetryInitial is the pause after a failed delivery, 2 s by default. Each
	// later pause is twice as long, up to RetryMax, 5 minutes by default.
	RetryInitial, RetryMax time.Duration
	// Queue is the number of alerts that wait for a service; 64 by default.
	Queue int
	// Flush bounds the deliveries after the end of Run's context; 5 s by default.
	Flush time.Duration
	// Report, if not nil, is called when deliveries begin to fail and when they
	// work again, from several goroutines.
	Report func(text string)
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	if o.Quiet == Off {
		o.Quiet = 0
	} else {
		set(&o.Quiet, 5*time.Minute)
	}
	if o.RepeatInitial != Off {
		set(&o.RepeatInitial, 5*time.Minute)
	}
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

// Alerter sends alerts about the events that it is given. It is a [healer.Sink].
// Its methods are safe for concurrent use.
type Alerter struct{ receivers []*receiver }

// New makes an alerter. Nothing is delivered before Run is called.
func New(services []Service, o Options) *Alerter {
	o = o.withDefaults()
	a := &Alerter{}
	for _, s := range services {
		a.receivers = append(a.receivers, newReceiver(s, o))
	}
	return a
}

// Emit takes an event. It does not wait for a delivery.
func (a *Alerter) Emit(e healer.Event) {
	for _, c := range a.receivers {
		c.emit(e)
	}
}

// Run delivers alerts until ctx ends. It then delivers the queued ones, for
// [Options.Flush] at most, and returns when no delivery is under way.
func (a *Alerter) Run(ctx context.Context) {
	var wg conc.WaitGroup
	for _, c := range a.receivers {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
}
