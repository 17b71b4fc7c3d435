package arena

import (
	"fmt"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// TestOutage: what follows a load that fails each second with the same fault.
func TestOutage(t *testing.T) {
	fails := func(action string, f nodes.Fault) error {
		return fmt.Errorf("while trying: %w", &nodes.Error{Node: "M1", Action: action, Fault: f})
	}
	for _, test := range []struct {
		err        error
		canRestart bool
		ends       reaction
		tries      int
		restartsAt int // the try after which the server is restarted, 0 if it is not
	}{
		{fails("probe", nodes.Refused), false, endWait, 61, 0},
		{fails("probe", nodes.Refused), true, endWait, 61, 6},
		{fails("probe", nodes.Unreachable), false, endWait, 61, 0},
		{fails("probe", nodes.TimedOut), false, endWait, 61, 0},
		{fails("probe", nodes.ServerFailed), true, endWait, 61, 6},
		{fails("probe", nodes.Protocol), false, endWait, 61, 0},
		{fails("probe", nodes.WrongEngine), false, endWait, 61, 0},
		{fails("probe", nodes.CutOff), false, endWait, 61, 0},
		{fails("probe", nodes.Busy), true, endWait, 61, 0},
		{fails("probe", nodes.ModelNotFound), false, endWait, 61, 0},
		{fails("unload", nodes.UnloadStuck), false, endWait, 61, 0},
		{fails("load", nodes.Busy), true, endWait, 61, 0},
		{fails("load", nodes.Refused), false, endWait, 61, 0},
		{fails("load", nodes.OutOfMemory), true, giveUp, 1, 0},
		{fails("load", nodes.TooLarge), false, giveUp, 1, 0},
		{fails("load", nodes.ModelNotFound), false, giveUp, 1, 0},
		{fails("load", nodes.ReadOnly), false, giveUp, 1, 0},
		{fails("load", nodes.LoadFailed), true, giveUp, 3, 0},
		{fails("load", nodes.CutOff), false, giveUp, 3, 0},
		{fails("load", nodes.TimedOut), false, giveUp, 3, 0},
	} {
		o := outage{patience: time.Minute, canRestart: test.canRestart}
		now := time.Unix(0, 0)
		tries, restartsAt := 0, 0
		for ended := false; !ended; now = now.Add(time.Second) {
			tries++
			switch next := o.after(test.err, now); next {
			case restart:
				restartsAt = tries
			case giveUp, endWait:
				if ended = true; next != test.ends {
					t.Errorf("%v: %s, want %s", test.err, next, test.ends)
				}
			}
		}
		if tries != test.tries || restartsAt != test.restartsAt {
			t.Errorf("%v: %d tries, restarted after %d; want %d, %d", test.err, tries, restartsAt, test.tries, test.restartsAt)
		}
	}
}

// TestOutageEnds: a load that fails on a server that is back ends the wait before
// it; the last pause ends with the patience.
func TestOutageEnds(t *testing.T) {
	away := &nodes.Error{Action: "probe", Fault: nodes.Refused}
	failed := &nodes.Error{Action: "load", Fault: nodes.LoadFailed}
	o := outage{patience: time.Minute}
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	if left := o.left(5*time.Second, at(0)); left != 5*time.Second {
		t.Errorf("a pause of %s, want 5s", left)
	}
	for _, step := range []struct {
		err    error
		second int
		want   reaction
		left   time.Duration
	}{
		{away, 0, tryAgain, 5 * time.Second},
		{away, 58, tryAgain, 2 * time.Second},
		{failed, 59, tryAgain, 5 * time.Second},
		{away, 70, tryAgain, 5 * time.Second},
		{failed, 100, tryAgain, 5 * time.Second},
		{away, 110, tryAgain, 5 * time.Second},
		{away, 170, endWait, 0},
	} {
		if got, left := o.after(step.err, at(step.second)), o.left(5*time.Second, at(step.second)); got != step.want || left != step.left {
			t.Errorf("%v at %d: %s, pause %s; want %s, %s", step.err, step.second, got, left, step.want, step.left)
		}
	}
}
