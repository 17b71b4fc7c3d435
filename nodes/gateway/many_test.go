package gateway_test

import (
	"context"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/route"
)

// TestThousandStreams: a thousand clients hear one story after another, while
// one node after another is killed, and comes back.
func TestThousandStreams(t *testing.T) {
	streams, kills, pause := sample(1000, 40), sample(12, 3), sample(3*time.Second, 100*time.Millisecond)
	var fakes []*nodetest.Ollama
	var list []*nodes.Node
	for _, name := range []string{"M1", "M2", "M3"} {
		teller := storyteller("good")
		teller.TokensPerSecond = sample(15.0, 60)
		fake, n := onOllama(t, name, teller)
		fakes, list = append(fakes, fake), append(list, n)
	}
	table := serving(list...)
	var observed counts
	_, address := startGateway(t, table, gateway.Options{Rules: route.Rules{Policy: route.LeastBusy{}}, Observer: &observed})
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = streams
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var whole, lost atomic.Int64
	var heap uint64
	var all conc.WaitGroup
	for range streams {
		all.Go(func() {
			for ctx.Err() == nil {
				text, err := tell(address, true)
				if err == nil && text == story {
					whole.Add(1)
				} else if lost.Add(1) == 1 {
					t.Errorf("the first that is lost: %v, %q", err, text)
				}
			}
		})
	}
	for kill := range kills {
		fake, name := fakes[kill%len(fakes)], list[kill%len(fakes)].Name
		time.Sleep(pause)
		since := time.Now()
		await(t, "streams on "+name, func() bool { return table.LastToken(name).After(since) && table.InFlight(name) > streams/10 })
		fake.Break(nodetest.Down)
		await(t, "streams to leave "+name, func() bool { return table.InFlight(name) == 0 })
		fake.Mend(nodetest.Down)
		table.Reinstate(name) // as the healer does
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapInuse+m.StackInuse)
	}
	cancel()
	all.Wait()
	t.Logf("%d streams whole, %d lost, %d resumed; at most %d MB in use, clients and servers included", whole.Load(), lost.Load(), observed.resumed.Load(), heap>>20)
	if got, want := observed.resumed.Load(), int64(kills*streams/10); got < want {
		t.Errorf("%d streams were resumed, want %d or more: the kills hit none", got, want)
	}
	if most := uint64(streams) << 19; heap > most+64<<20 {
		t.Errorf("%d MB in use, want at most half a megabyte for each stream", heap>>20)
	}
}

// await waits until a condition holds. It fails only after minutes.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// counts adds up what the gateway observed.
type counts struct{ requests, resumed, failures atomic.Int64 }

// Observe implements gateway.Observer.
func (c *counts) Observe(o gateway.Observation) {
	c.requests.Add(1)
	c.resumed.Add(int64(o.Resumed))
	c.failures.Add(int64(len(o.Failures)))
}
