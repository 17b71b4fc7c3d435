package healer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
)

// schedules is how many random fault schedules are played with JARVIS_FULL=1,
// sample how many of them else.
const (
	schedules = 10_000
	sample    = 320
)

// TestRandomFaultSchedules plays random faults on 4 to 8 nodes in virtual time
// and holds the whole healer, shell included, to the rules that must never
// break. One seed is replayed with JARVIS_SEED=n.
func TestRandomFaultSchedules(t *testing.T) {
	from, to := 0, sample
	if text := os.Getenv("JARVIS_SEED"); text != "" {
		seed, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("JARVIS_SEED: %v", err)
		}
		from, to = seed, seed+1
	} else if os.Getenv("JARVIS_FULL") == "1" {
		to = schedules
	}
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			for seed := from + shard; seed < to && !t.Failed(); seed += shards {
				playSchedule(t, uint64(seed))
			}
		})
	}
}

// playSchedule is 20 minutes of faults and 15 of peace. In every fourth one there
// are tournaments, too.
func playSchedule(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 1))
		var servers []*simServer
		var list []*nodes.Node
		for i := range 4 + random.IntN(5) {
			s := newSimServer(fmt.Sprintf("M%d", i+1))
			s.loadTime = time.Duration(1+random.IntN(20)) * time.Second
			servers = append(servers, s)
			list = append(list, s.node(random.IntN(2) == 0))
		}
		set, err := nodes.NewSet(list...)
		if err != nil {
			t.Fatal(err)
		}
		events := &recorder{}
		leases := &nodes.MemoryLeases{}
		policy := DefaultPolicy()
		policy.Settle = 3 * time.Minute
		tournaments := seed/4%4 == 0 // the shards get as many each
		state := &inMemory{}
		var kept medium
		if tournaments {
			kept = state
		}
		h, err := newHealer(Config{Nodes: set, Policy: policy, Leases: leases, Sinks: []Sink{events}}, kept)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range servers {
			s.watchedBy(h)
		}
		if !tournaments {
			h.pollEvery = 5 * time.Second // nobody there is in a hurry
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running conc.WaitGroup
		running.Go(func() {
			if err := h.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		for _, s := range servers {
			for range random.IntN(5) {
				f := randomFault(random)
				running.Go(func() { f.play(ctx, s, leases) })
			}
		}
		var parties []*party
		if tournaments {
			// Their own dice: the faults of a seed are the same without them.
			random := rand.New(rand.NewPCG(seed, 2))
			for i, s := range servers {
				p := &party{server: s, node: set.At(i), leases: leases, state: &StateFile{state}, route: h.Route(), random: random.Uint64()}
				parties = append(parties, p)
				running.Go(func() { p.play(ctx) })
			}
		}
		time.Sleep(20*time.Minute + 15*time.Minute)
		status := h.Now()
		cancel()
		running.Wait()

		var wrong []string
		for i, n := range status.Nodes {
			if n.State != Healthy && n.State != Degraded {
				wrong = append(wrong, fmt.Sprintf("%s is %s 15 minutes after its last fault (%s)", n.Name, n.State, n.LastError))
			}
			wrong = append(wrong, servers[i].broken...)
			wrong = append(wrong, flapping(policy, servers[i])...)
		}
		for i, p := range parties {
			wrong = append(wrong, p.undone(status.Nodes[i], events.all())...)
		}
		wrong = append(wrong, lastTakenDown(events.all())...)
		wrong = append(wrong, unasked(events.all(), servers)...)
		if len(wrong) > 0 {
			t.Errorf("seed %d (replay: JARVIS_SEED=%d go test -run TestRandomFaultSchedules ./healer):\n%s\n%s",
				seed, seed, strings.Join(wrong, "\n"), events.text())
		}
	})
}

// scheduled is one fault at one time.
type scheduled struct {
	fault     simFault
	drop      []string
	dropped   bool
	lease     bool
	at, lasts time.Duration
}

func randomFault(random *rand.Rand) scheduled {
	s := scheduled{
		at:    time.Duration(random.IntN(15*60_000)) * time.Millisecond,
		lasts: time.Duration(1+random.IntN(5*60_000)) * time.Millisecond,
	}
	all := []simFault{
		simDown, simHostDown, simHung, simWedged, simCrashed, simStuck, simErrors, simLoadFails, simNoKey, simBusy, simWrong, simBad,
	}
	switch i := random.IntN(len(all) + 4); {
	case i < len(all):
		s.fault = all[i]
	case i == len(all):
		s.dropped = true
	case i == len(all)+1:
		s.dropped, s.drop = true, []string{simOther}
	case i == len(all)+2:
		s.dropped, s.drop = true, []string{simModel, simModel + ":2"}
	default:
		s.lease = true
	}
	return s
}

func (f scheduled) play(ctx context.Context, s *simServer, leases nodes.Leases) {
	if !pause(ctx, f.at) {
		return
	}
	if f.lease {
		lease, err := leases.Acquire(ctx, s.name, nodes.Holder{Name: "a tournament"})
		if err != nil {
			return // the healer is at work there
		}
		if !pause(ctx, time.Second) { // a chat that was under way when the lease was taken may end
			return
		}
		s.mu.Lock()
		s.leased = true
		s.mu.Unlock()
		pause(ctx, f.lasts)
		s.mu.Lock()
		s.leased = false
		s.mu.Unlock()
		_ = lease.Release()
		return
	}
	if f.dropped {
		s.mu.Lock()
		busy := s.loading > 0 || s.hasLocked(simDown, simHostDown) || s.lastOp == "unload"
		s.mu.Unlock()
		if busy {
			return // nothing is loaded there behind anybody's back
		}
		if len(f.drop) == 2 {
			s.mu.Lock()
			if len(s.loaded) == 1 && s.loaded[0].Model == simModel {
				s.loaded = append(s.loaded, nodes.Instance{ID: simModel + ":2", Model: simModel, Digest: "d-good"})
			}
			s.mu.Unlock()
			return
		}
		s.drop(f.drop...)
		return
	}
	s.set(f.fault, true)
	pause(ctx, f.lasts)
	s.set(f.fault, false)
}

// flapping finds repairs that come faster than the backoff lets them. Repairs
// closer together than Settle can't have been forgotten in between, so each
// makes the next pause longer. A rollback follows its failed repair at once.
func flapping(p Policy, s *simServer) (wrong []string) {
	row := 1
	for i := 1; i < len(s.attempts); i++ {
		gap := s.attempts[i].began.Sub(s.attempts[i-1].began)
		if gap >= p.Settle {
			row = 1
			continue
		}
		if least := p.backoff(row); gap < least && !s.attempts[i].rollback {
			wrong = append(wrong, fmt.Sprintf("%s: repair %d in a row after %s, not %s", s.name, row+1, gap, least))
		}
		row++
	}
	return wrong
}

// unasked finds nodes that came back into the route without an answer since
// they left it.
func unasked(events []Event, servers []*simServer) (wrong []string) {
	for _, s := range servers {
		var left time.Time
		for _, e := range events {
			if e.Node != s.name {
				continue
			}
			switch e.Type {
			case EventDraining, EventMisconfigured, EventMaintenance:
				left = e.Time
			case EventHealthy, EventHealed, EventRecovered:
				back := e
				if !left.IsZero() && !slices.ContainsFunc(s.answers, func(at time.Time) bool { return at.After(left) && !at.After(back.Time) }) {
					wrong = append(wrong, "back in the route unasked: "+e.String())
				}
				left = time.Time{}
			}
		}
	}
	return wrong
}

// lastTakenDown finds nodes that still answered and were taken out of the
// route for a repair while no other served.
func lastTakenDown(events []Event) (wrong []string) {
	serves := map[string]bool{}
	for _, e := range events {
		served := serves[e.Node]
		switch e.Type {
		case EventHealthy, EventHealed, EventDegraded:
			serves[e.Node] = true
		case EventRecovered:
			serves[e.Node] = e.Node != ""
		case EventDraining, EventOffline, EventMisconfigured, EventMaintenance, EventRollback:
			delete(serves, e.Node)
		}
		delete(serves, "")
		if e.Type != EventDraining || !served || len(serves) > 0 {
			continue
		}
		for _, c := range []Cause{CauseDrift, CauseBadModel, CausePlacement} {
			if e.Cause == c {
				wrong = append(wrong, "the last serving node was taken down: "+e.String())
			}
		}
	}
	return wrong
}

// countUnderRepair counts anew what the fleet keeps as a number.
func (h *Watchdog) countUnderRepair() (count int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.fleet.nodes {
		count += one(h.fleet.nodes[i].state.UnderRepair())
	}
	return count
}
