package route

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// oneNode is a table of a node that takes one request at a time.
func oneNode() *Table {
	table := New(&nodes.Node{Name: "M1"})
	table.Serve("M1", true)
	return table
}

func wantOne(client string, most int) *Demand {
	return &Demand{Rules: Rules{PerNode: 1, Queue: most}, Client: client}
}

// TestQueueIsFair: a client with one request waits for one of another's, not
// for its hundred.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := oneNode()
		var mu sync.Mutex
		var order []string
		begin := func(client string, i int) {
			go func() { // ends when it was served
				r, err := table.Acquire(t.Context(), wantOne(client, 1024), time.Hour)
				if err != nil || r == nil {
					t.Errorf("%s %d: no node: %v", client, i, err)
					return
				}
				mu.Lock()
				order = append(order, fmt.Sprint(client, i))
				mu.Unlock()
				time.Sleep(time.Second)
				r.Done()
			}()
			synctest.Wait()
		}
		for i := range 101 { // the first is served at once
			begin("many", i)
		}
		begin("one", 0)
		begin("two", 0)
		begin("two", 1)
		if n := table.Queued(); n != 103 {
			t.Errorf("%d wait, want 103", n)
		}
		time.Sleep(200 * time.Second)
		synctest.Wait()
		if len(order) != 104 || table.Queued() != 0 || table.InFlight("M1") != 0 {
			t.Fatalf("%d were served, %d wait, %d are under way", len(order), table.Queued(), table.InFlight("M1"))
		}
		want := []string{"many0", "many1", "one0", "two0", "many2", "two1", "many3", "many4"}
		if diff := cmp.Diff(want, order[:8]); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// TestQueueEnds: how long a request waits, and why it doesn't any longer.
func TestQueueEnds(t *testing.T) {
	gone := errors.New("the client went away")
	for _, tt := range []struct {
		name      string
		serves    bool
		waiting   int // before it
		most      int
		patience  time.Duration
		meanwhile func(cancel context.CancelCauseFunc, holder *Request, table *Table)
		took      time.Duration
		refused   *Refusal
		err       error
		granted   bool
	}{
		{name: "patience runs out while all are full", serves: true, most: 9, patience: 5 * time.Second, took: 5 * time.Second, refused: &Refusal{Reason: AllFull}},
		{name: "patience runs out while none serves", most: 9, patience: 5 * time.Second, took: 5 * time.Second, refused: &Refusal{Reason: NoneServes}},
		{name: "no patience", serves: true, most: 9, refused: &Refusal{Reason: AllFull}},
		{name: "the queue is full", serves: true, waiting: 3, most: 3, patience: time.Minute, refused: &Refusal{Reason: AllFull, QueueFull: true}},
		{name: "there is room for one more", serves: true, waiting: 2, most: 3, patience: time.Second, took: time.Second, refused: &Refusal{Reason: AllFull}},
		{name: "there is no queue", serves: true, most: NoQueue, patience: time.Minute, refused: &Refusal{Reason: AllFull, QueueFull: true}},
		{name: "the client goes away", serves: true, most: 9, patience: time.Minute, took: 2 * time.Second, err: gone,
			meanwhile: func(cancel context.CancelCauseFunc, _ *Request, _ *Table) { cancel(gone) }},
		{name: "a place becomes free", serves: true, most: 9, patience: time.Minute, took: 2 * time.Second, granted: true,
			meanwhile: func(_ context.CancelCauseFunc, holder *Request, _ *Table) { holder.Done() }},
		{name: "a node comes into service", most: 9, patience: time.Minute, took: 2 * time.Second, granted: true,
			meanwhile: func(_ context.CancelCauseFunc, _ *Request, table *Table) { table.Serve("M1", true) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := oneNode()
				table.Serve("M1", tt.serves)
				var holder *Request
				if tt.serves {
					holder = table.Begin("M1")
				}
				crowd, leave := context.WithCancel(t.Context())
				for range tt.waiting {
					go func() { _, _ = table.Acquire(crowd, wantOne("crowd", 9), time.Hour) }() // ends by leave
					synctest.Wait()
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if tt.meanwhile != nil {
					time.AfterFunc(2*time.Second, func() { tt.meanwhile(cancel, holder, table) })
				}
				began := time.Now()
				r, err := table.Acquire(ctx, wantOne("one", tt.most), tt.patience)
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				var refused *Refusal
				if errors.As(err, &refused); !cmp.Equal(refused, tt.refused) || tt.err != nil && !errors.Is(err, tt.err) || (r != nil) != tt.granted {
					t.Errorf("granted %t, %v; want %t, %v, %v", r != nil, err, tt.granted, tt.refused, tt.err)
				}
				leave()
				synctest.Wait()
				if n := table.Queued(); n != 0 {
					t.Errorf("%d still wait", n)
				}
			})
		})
	}
}

// TestNoGrantIsLost: a place that becomes free in the very moment in which who
// waits for it gives up is used by that one or by the next, and stays with
// nobody.
func TestNoGrantIsLost(t *testing.T) {
	for _, how := range []string{"patience", "the client"} {
		t.Run(how+" ends", func(t *testing.T) {
			granted := 0
			for range 200 {
				synctest.Test(t, func(t *testing.T) {
					table := oneNode()
					holder := table.Begin("M1")
					ctx, patience := t.Context(), time.Second
					if how != "patience" {
						patience = time.Hour
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, time.Second)
						defer cancel()
					}
					time.AfterFunc(time.Second, holder.Done)
					r, err := table.Acquire(ctx, wantOne("one", 9), patience)
					if err != nil && r != nil {
						t.Error("both a place and an error")
					}
					if r != nil {
						granted++
						r.Done()
					}
					synctest.Wait()
					if table.InFlight("M1") != 0 || table.Queued() != 0 {
						t.Errorf("%d are under way, %d wait", table.InFlight("M1"), table.Queued())
					}
					next, err := table.Acquire(t.Context(), wantOne("two", NoQueue), 0)
					if err != nil || next == nil {
						t.Fatalf("the place is lost: %v", err)
					}
					next.Done()
				})
			}
			t.Logf("granted %d of 200", granted)
		})
	}
}

// TestDispatchAllThatFit: a node that comes into service takes as many of the
// waiting requests as it has room for.
func TestDispatchAllThatFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(&nodes.Node{Name: "M1"})
		var served sync.WaitGroup
		defer served.Wait()
		for range 3 {
			served.Go(func() {
				r, err := table.Acquire(t.Context(), &Demand{Rules: Rules{PerNode: 2}}, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Minute)
				r.Done()
			})
		}
		synctest.Wait()
		table.Serve("M1", true)
		synctest.Wait()
		if under, waiting := table.InFlight("M1"), table.Queued(); under != 2 || waiting != 1 {
			t.Errorf("%d are under way and %d wait, want 2 and 1", under, waiting)
		}
	})
}

// TestQueueForgetsClients: a client none of whose requests waits takes no turn.
// A request that was served is not there to be removed, also while others of its
// client wait.
func TestQueueForgetsClients(t *testing.T) {
	var q queue
	first, second := &waiter{demand: &Demand{Client: "one"}}, &waiter{demand: &Demand{Client: "one"}}
	q.add(first)
	q.add(second)
	q.serve(first)
	if q.remove(first) || q.count != 1 {
		t.Errorf("a request that was served was removed, %d wait", q.count)
	}
	if !q.remove(second) || q.count != 0 || len(q.clients) != 0 {
		t.Errorf("%d wait, of %d clients", q.count, len(q.clients))
	}
}
