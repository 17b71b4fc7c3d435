package gateway

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// TestTrail: what follows from the failures of one request, and when a node may
// be tried again.
func TestTrail(t *testing.T) {
	failed := &failure{verdict: nodeFault, fault: nodes.ServerFailed, answered: true}
	crashed := &failure{verdict: nodeFault, fault: nodes.Crashed, answered: true}
	cut := &failure{verdict: nodeFault, fault: nodes.CutOff}
	refused := &failure{verdict: nodeFault, fault: nodes.Refused}
	silent := &failure{verdict: nodeFault, fault: nodes.TimedOut}
	busy := &failure{verdict: tryAnother, fault: nodes.Busy}
	busyFor := func(d time.Duration) *failure { return &failure{verdict: tryAnother, fault: nodes.Busy, wait: d} }
	lacks := &failure{verdict: tryAnother, fault: nodes.ModelNotFound}
	wrong := &failure{verdict: clientFault, fault: nodes.BadRequest}
	type step struct {
		place int
		f     *failure // nil: the node's check passes
		want  next
		wait  time.Duration // until the place may be tried again, -1 for never
	}
	const s, ms = time.Second, time.Millisecond
	for _, tt := range []struct {
		name  string
		again int
		steps []step
	}{
		{"a bad request", 0, []step{{0, wrong, stop, -1}}},
		{"it follows the request to another node", 0, []step{{0, failed, goOn, s}, {1, failed, stop, s}}},
		{"the nodes fail in different ways", 0, []step{{0, failed, goOn, s}, {1, crashed, goOn, s}}},
		{"another node is away", 0, []step{{0, failed, goOn, s}, {1, refused, goOn, 200 * ms}}},
		{"nodes that are away are no request's fault", 0, []step{{0, refused, goOn, 200 * ms}, {1, refused, goOn, 200 * ms}}},
		{"its own check passes, and it fails again", 0, []step{{0, failed, goOn, s}, {0, nil, goOn, 0}, {0, failed, stop, 2 * s}}},
		{"its own check passes, and it fails otherwise", 0, []step{{0, failed, goOn, s}, {0, nil, goOn, 0}, {0, cut, goOn, 400 * ms}}},
		{"no check passes: few attempts", 0, []step{{0, failed, goOn, s}, {0, failed, goOn, 2 * s}, {0, failed, goOn, -1}}},
		{"the pauses grow", 0, []step{{0, cut, goOn, 200 * ms}, {0, cut, goOn, 400 * ms}, {0, cut, goOn, 800 * ms}, {0, cut, goOn, 1600 * ms},
			{0, cut, goOn, 3200 * ms}, {0, cut, goOn, 6400 * ms}, {0, cut, goOn, 8 * s}, {0, cut, goOn, 8 * s}}},
		{"who is away may be back", 0, []step{{0, refused, goOn, 200 * ms}, {0, refused, goOn, 400 * ms}, {0, refused, goOn, 800 * ms},
			{0, refused, goOn, 1600 * ms}, {0, refused, goOn, 2 * s}}},
		{"busy", 0, []step{{0, busy, goOn, s}, {0, busy, goOn, 2 * s}, {0, busy, goOn, 4 * s}}},
		{"busy for a time", 0, []step{{0, busyFor(7 * s), goOn, 7 * s}, {0, busyFor(3 * time.Hour), goOn, 3 * time.Hour}}},
		{"a check says nothing of being busy", 0, []step{{0, busyFor(7 * s), goOn, 7 * s}, {0, nil, goOn, 7 * s}}},
		{"it lacks the model", 0, []step{{0, lacks, goOn, -1}}},
		{"again", 1, []step{{0, failed, sameNode, 200 * ms}, {0, failed, goOn, 2 * s}, {1, failed, stop, s}}},
		{"again after its pause", 1, []step{{0, busyFor(2 * s), sameNode, 2 * s}, {0, busyFor(2 * s), goOn, 2 * s}}},
		{"the pause is too long", 1, []step{{0, busyFor(6 * s), goOn, 6 * s}}},
		{"who is silent is not asked again", 1, []step{{0, silent, goOn, 200 * ms}}},
		{"who is away is not asked again", 1, []step{{0, refused, goOn, 200 * ms}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			trail := make(trail, 2)
			for i, st := range tt.steps {
				if st.f == nil {
					trail.passed(st.place, now.Add(ms), now)
				} else if got := trail.note(st.place, st.f, tt.again, now); got != st.want {
					t.Errorf("step %d: %d, want %d", i, got, st.want)
				}
				wait := time.Duration(-1)
				if at := trail[st.place].readyAt; !at.IsZero() {
					wait = at.Sub(now)
				}
				if wait != st.wait {
					t.Errorf("step %d: after %s, want %s", i, wait, st.wait)
				}
			}
		})
	}
}
