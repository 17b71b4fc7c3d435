package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// never is the delay of a node that does not respond.
const never = 1000 * time.Hour

// delayed is a node in memory that streams an answer after a delay. It counts
// the requests, and those that were canceled.
type delayed struct {
	delay           time.Duration
	asked, canceled atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (d *delayed) RoundTrip(r *http.Request) (*http.Response, error) {
	d.asked.Add(1)
	select {
	case <-r.Context().Done():
		d.canceled.Add(1)
		return nil, context.Cause(r.Context())
	case <-time.After(d.delay):
		return answering(r, http.StatusOK, "text/event-stream", strings.NewReader(streamed)), nil
	}
}

// TestHedge: a request whose node is late goes to another one as well, and the
// first response wins.
func TestHedge(t *testing.T) {
	late := route.Failure{Node: "M1", Fault: nodes.TimedOut, Detail: "no token in time"}
	for _, tt := range []struct {
		name     string
		m1, m2   time.Duration // their delays
		busy     bool          // other requests on M1 receive tokens
		took     time.Duration
		node     string
		asked    [2]int64
		canceled [2]int64
		reported []route.Failure // to the healer
		failures []route.Failure // of the request
	}{
		{name: "in time", m1: 900 * time.Millisecond, took: 900 * time.Millisecond, node: "M1", asked: [2]int64{1, 0}},
		{name: "late, and the other is faster", m1: never, m2: 200 * time.Millisecond, took: 1200 * time.Millisecond, node: "M2",
			asked: [2]int64{1, 1}, canceled: [2]int64{1, 0}, reported: []route.Failure{late}, failures: []route.Failure{late}},
		{name: "late, and the other is slower", m1: 1500 * time.Millisecond, m2: 900 * time.Millisecond, took: 1500 * time.Millisecond, node: "M1",
			asked: [2]int64{1, 1}, canceled: [2]int64{0, 1}, reported: []route.Failure{late}},
		{name: "late, but busy", m1: 5 * time.Second, busy: true, took: 5 * time.Second, node: "M1", asked: [2]int64{1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1, m2 := &delayed{delay: tt.m1}, &delayed{delay: tt.m2}
				table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2))
				var reported []route.Failure
				table.OnFailure(func(f route.Failure) { reported = append(reported, f) })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.busy {
					other := table.Begin("M1")
					defer other.Done()
					go func() { // ends with ctx
						for nodes.Sleep(ctx, 300*time.Millisecond) {
							other.Token()
						}
					}()
				}
				var observed seen
				g, err := gateway.New(table, gateway.Options{FirstToken: time.Second, Observer: &observed})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				text, err := joined([]byte(ask(t, g)))
				if took := time.Since(began); err != nil || text != "4" || took != tt.took {
					t.Errorf("%q, %v after %s, want it after %s", text, err, took, tt.took)
				}
				cancel()
				synctest.Wait()
				if got := [2]int64{m1.asked.Load(), m2.asked.Load()}; got != tt.asked {
					t.Errorf("asked %v, want %v", got, tt.asked)
				}
				if got := [2]int64{m1.canceled.Load(), m2.canceled.Load()}; got != tt.canceled {
					t.Errorf("canceled %v, want %v", got, tt.canceled)
				}
				o := observed.all()
				if len(o) != 1 || o[0].Node != tt.node || o[0].FirstToken != tt.took || o[0].Attempts != int(tt.asked[0]+tt.asked[1]) || o[0].Moves != int(tt.asked[1]) {
					t.Fatalf("observed %+v", o)
				}
				if diff := cmp.Diff(tt.reported, reported) + cmp.Diff(tt.failures, o[0].Failures); diff != "" {
					t.Errorf("failures, -want +got:\n%s", diff)
				}
				if outcomes, _ := table.Outcomes("M1", 0); len(outcomes) != 1 || outcomes[0].Failed != (tt.node == "M2") {
					t.Errorf("M1's outcome: %+v", outcomes)
				}
				if n := table.InFlight("M2"); n != 0 {
					t.Errorf("%d requests are still counted on M2", n)
				}
			})
		})
	}
}

// TestSilentNode: a node that never responds is given up at last, also where
// there is no other.
func TestSilentNode(t *testing.T) {
	for _, tt := range []struct {
		options gateway.Options
		stream  bool
		least   time.Duration
	}{
		{gateway.Options{FirstToken: time.Second, Wait: 5 * time.Second}, true, 5 * time.Second},
		{gateway.Options{FirstToken: 2 * time.Second, Wait: 5 * time.Second}, true, 8 * time.Second},
		{gateway.Options{Wait: 5 * time.Second}, true, 5 * time.Minute},
		{gateway.Options{Answer: 3 * time.Second, Wait: 5 * time.Second}, false, 12 * time.Second},
		{gateway.Options{Wait: 5 * time.Second}, false, 10 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1 := &delayed{delay: never}
				g, err := gateway.New(serving(onTransport(t, "M1", m1)), tt.options)
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				began := time.Now()
				g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(fmt.Sprintf(`{"stream":%t,"messages":[]}`, tt.stream))))
				limit := 2 * time.Minute // of a node whose latencies are not known
				if took := time.Since(began); took < tt.least || took > tt.least+limit {
					t.Errorf("given up after %s, want some time after %s", took, tt.least)
				}
				status := w.Code
				if tt.stream && strings.Contains(w.Body.String(), `"code":502`) { // the stream had begun by signs of life
					status = http.StatusBadGateway
				}
				if status != http.StatusBadGateway || m1.canceled.Load() != 1 {
					t.Errorf("%d %s, %d canceled", w.Code, w.Body, m1.canceled.Load())
				}
			})
		})
	}
}
