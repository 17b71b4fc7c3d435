package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
)

// service is a sender that fails as its answers say, one after another; after
// the last it takes everything.
type service struct {
	began   time.Time
	answers []answer

	mu      sync.Mutex
	sent    []string
	asks    int
	reports []string
}

type answer struct {
	err   error
	takes time.Duration // forever where negative
}

func (s *service) Name() string { return "telegram" }

func (s *service) Send(ctx context.Context, text string) error {
	s.mu.Lock()
	s.asks++
	var a answer
	if len(s.answers) > 0 {
		a, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	if a.takes < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	if a.takes > 0 {
		timer := time.NewTimer(a.takes)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
	if a.err != nil {
		return a.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, fmt.Sprintf("%s %s", time.Since(s.began), text))
	return nil
}

func (s *service) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asks
}

func (s *service) report(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, fmt.Sprintf("%s %s", time.Since(s.began), text))
}

func (s *service) reported() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// bench is an alerter at work, in virtual time.
type bench struct {
	*Alerter
	*service
	stop func()
}

// working runs an alerter for one service; test ends it with stop.
func working(o Options, answers ...answer) bench {
	s := &service{began: time.Now(), answers: answers}
	o.Report = s.report
	a := New([]Service{{Sender: s}}, o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx)
	}()
	return bench{a, s, func() { cancel(); <-ended }}
}

func offline(node string) healer.Event {
	return healer.Event{Time: time.Now(), Node: node, Type: healer.EventOffline, Detail: "offline: refused"}
}

func check(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: want(-) got(+):\n%s", what, diff)
	}
}

var errDown = errors.New("connection refused")

// TestDelivery: an alert is delivered at once, with the cluster's name.
func TestDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working(Options{Title: "home"})
		defer b.stop()
		b.Emit(offline("M1"))
		synctest.Wait()
		check(t, "sent", []string{"0s home: M1: offline: refused"}, b.got())
	})
}

// TestDeadService: what happens while a service is down arrives together when
// it is back, with the times; the trouble is reported once.
func TestDeadService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := answer{err: errDown}
		b := working(Options{}, down, down, down, down, down, down, down)
		defer b.stop()
		b.Emit(offline("M1"))
		time.Sleep(3 * time.Second)
		b.Emit(offline("M2"))
		time.Sleep(10 * time.Minute)
		got := b.got()
		if len(got) != 1 || !strings.Contains(got[0], "] M1: offline: refused\n[") || !strings.HasSuffix(got[0], "] M2: offline: refused") {
			t.Errorf("want both in one text with their times, got %q", got)
		}
		if b.asked() != 8 {
			t.Errorf("asked %d times in ten minutes, want 8: twice as long each time", b.asked())
		}
		reports := b.reported()
		if len(reports) != 2 || reports[0] != "0s alerts: telegram: connection refused; tried again until it works" || !strings.HasSuffix(reports[1], "takes alerts again") {
			t.Errorf("want one report of each change, got %q", reports)
		}
	})
}

// TestRetryAfter: a service that asks to wait is not asked before that.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working(Options{}, answer{err: &SendError{RetryAfter: 35 * time.Second, Err: errors.New("too many requests")}})
		defer b.stop()
		b.Emit(offline("M1"))
		time.Sleep(34 * time.Second)
		check(t, "before", nil, b.got())
		time.Sleep(2 * time.Second)
		check(t, "after", []string{"35s M1: offline: refused"}, b.got())
	})
}

// TestPermanent: a wrong token is not asked again for the same alert, and the
// next one tells what was lost.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working(Options{}, answer{err: &SendError{Permanent: true, Err: errors.New("unauthorized")}})
		defer b.stop()
		b.Emit(offline("M1"))
		time.Sleep(time.Hour)
		check(t, "sent", nil, b.got())
		check(t, "reports", []string{"0s alerts: telegram: unauthorized; not tried again; correct the service's address"}, b.reported())
		b.Emit(offline("M2"))
		synctest.Wait()
		check(t, "sent", []string{"1h0m0s earlier alerts are lost, they could not be delivered in time: 1\nM2: offline: refused"}, b.got())
	})
}

// TestHangingService: whoever emits never waits, and another service neither.
func TestHangingService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := &service{began: time.Now(), answers: []answer{{takes: -1}, {takes: -1}}}
		works := &service{began: time.Now()}
		a := New([]Service{{Sender: hangs}, {Sender: works}}, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); a.Run(ctx) }()
		a.Emit(offline("M0"))
		synctest.Wait() // under way
		began := time.Now()
		for n := range 99 {
			a.Emit(offline(fmt.Sprint("M", n+1)))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("emitting took %s", took)
		}
		time.Sleep(time.Second)
		if got := strings.Count(strings.Join(works.got(), "\n"), "offline"); got < 65 {
			t.Errorf("the other service got %d alerts, want those there was room for", got)
		}
		time.Sleep(45 * time.Second) // twice 15 s and the pauses
		if got := strings.Join(hangs.got(), "\n"); strings.Count(got, "offline") != 65 || !strings.Contains(got, "in time: 35\nM36:") {
			t.Errorf("want 65 alerts and 35 counted as lost, got %s", got)
		}
		cancel()
		<-ended
	})
}

// TestOverflow: a queue that is full drops the oldest and counts them.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working(Options{Queue: 3}, answer{takes: 10 * time.Second, err: errDown})
		defer b.stop()
		b.Emit(offline("M0")) // under way
		synctest.Wait()
		for n := range 5 {
			b.Emit(offline(fmt.Sprint("M", n+1)))
		}
		time.Sleep(20 * time.Second)
		got := b.got()
		if len(got) != 1 {
			t.Fatalf("want one text, got %q", got)
		}
		_, text, _ := strings.Cut(got[0], " ")
		check(t, "sent", []string{
			"M0: offline: refused", "earlier alerts are lost, they could not be delivered in time: 2",
			"M3: offline: refused", "M4: offline: refused", "M5: offline: refused",
		}, strings.Split(text, "\n"))
	})
}

// TestLongTexts: no text is longer than services take, however much waits.
func TestLongTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := answer{err: errDown}
		b := working(Options{Title: "home", Queue: 1000}, down, down, down, down, down, down, down, down)
		defer b.stop()
		for n := range 200 {
			e := offline(fmt.Sprint("M", n))
			e.Detail = strings.Repeat("é", n*20)
			b.Emit(e)
		}
		time.Sleep(time.Hour)
		got := strings.Join(b.got(), "\n")
		for _, text := range b.got() {
			_, text, _ = strings.Cut(text, " ")
			if len(text) > MaxText {
				t.Errorf("a text of %d bytes", len(text))
			}
		}
		for n := range 200 {
			if !strings.Contains(got, fmt.Sprintf("home: M%d:", n)) {
				t.Fatalf("the alert of M%d is missing", n)
			}
		}
	})
}

// TestRepeatedCritical: the receiver's own clock repeats, without an event.
func TestRepeatedCritical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := working(Options{})
		defer b.stop()
		b.Emit(healer.Event{Time: time.Now(), Type: healer.EventCritical, Detail: "no node serves"})
		time.Sleep(16 * time.Minute)
		b.Emit(healer.Event{Time: time.Now(), Type: healer.EventRecovered, Detail: "service is back"})
		time.Sleep(24 * time.Hour)
		check(t, "sent", []string{
			"0s no node serves", "5m0s still, after 5 min: no node serves", "15m0s still, after 15 min: no node serves",
			"16m0s service is back",
		}, b.got())
	})
}

// TestFlush: stopping delivers what waits, and takes no longer than allowed.
func TestFlush(t *testing.T) {
	hangs := answer{takes: -1}
	for _, c := range []struct {
		name          string
		first, second answer
		sent          int
		within        time.Duration
		report        string
	}{
		{"under way", answer{takes: 3 * time.Second}, answer{err: errDown}, 1, 2 * time.Second, ""},
		{"hangs, then works", hangs, answer{}, 1, 2500 * time.Millisecond, ""},
		{"hangs, then slow", hangs, answer{takes: 2 * time.Second}, 1, 4500 * time.Millisecond, ""},
		{"hangs", hangs, hangs, 0, 5 * time.Second, "not delivered before the end: 1 alert"},
		{"hangs, then down", hangs, answer{err: errDown}, 0, 2500 * time.Millisecond, "not delivered before the end: 1 alert"},
		{"failed before, then works", answer{err: errDown}, answer{}, 1, 0, "tried again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := working(Options{}, c.first, c.second)
				b.Emit(offline("M1"))
				time.Sleep(time.Second)
				began := time.Now()
				b.stop()
				if took := time.Since(began); took > c.within {
					t.Errorf("stopping took %s, at most %s is allowed", took, c.within)
				}
				if got := b.got(); len(got) != c.sent {
					t.Errorf("sent %q, want %d", got, c.sent)
				}
				if got := strings.Join(b.reported(), "\n"); !strings.Contains(got, c.report) || c.report == "" && got != "" {
					t.Errorf("reported %q, want %q", got, c.report)
				}
			})
		})
	}
}
