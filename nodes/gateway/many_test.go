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

// TestThousandStreams: a thousand clients hear one story after another for a
// minute, while every five seconds a node is killed, and comes back.
func TestThousandStreams(t *testing.T) {
	streams, lasts := 1000, time.Minute
	if raceDetector || testing.Short() {
		streams, lasts = 100, 12*time.Second
	}
	var fakes []*nodetest.Ollama
	var list []*nodes.Node
	for _, name := range []string{"M1", "M2", "M3"} {
		teller := storyteller("good")
		teller.TokensPerSecond = 15
		fake, n := onOllama(t, name, teller)
		fakes, list = append(fakes, fake), append(list, n)
	}
	var observed counts
	_, address := startGateway(t, serving(list...), gateway.Options{Rules: route.Rules{Policy: route.LeastBusy{}}, Observer: &observed})
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = streams
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
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
	for kill := 0; ctx.Err() == nil; kill++ {
		fake := fakes[kill%len(fakes)]
		if !rest(ctx, 3*time.Second) {
			break
		}
		fake.Break(nodetest.Down)
		rest(ctx, 2*time.Second)
		fake.Mend(nodetest.Down)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapInuse+m.StackInuse)
	}
	all.Wait()
	t.Logf("%d streams whole, %d lost, %d carried on; at most %d MB in use, clients and servers included", whole.Load(), lost.Load(), observed.resumed.Load(), heap>>20)
	if observed.resumed.Load() < int64(streams)/4 {
		t.Errorf("only %d streams were carried on: the kills struck nobody", observed.resumed.Load())
	}
	if most := uint64(streams) << 19; heap > most+64<<20 {
		t.Errorf("%d MB in use, want at most half a megabyte for each stream", heap>>20)
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

func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
