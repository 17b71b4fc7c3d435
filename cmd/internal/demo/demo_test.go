package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestDemo plays the whole demo, in virtual time: every fault must end as
// announced.
func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var network nodetest.Network
		defer network.Close()
		err := run(t.Context(), &out, &network)
		t.Log("\n" + out.String())
		if err != nil {
			t.Fatal(err)
		}
		if last := fmt.Sprintf("All %d faults ended as they should.\n", len(steps())); !strings.HasSuffix(out.String(), last) {
			t.Errorf("the last line is not %q", last)
		}
		if n := strings.Count(out.String(), "\n  ok "); n != len(steps()) {
			t.Errorf("%d steps in the summary, want %d", n, len(steps()))
		}
	})
}

// TestDemoStops ends a demo in the middle, as Ctrl-C does.
func TestDemoStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := writerFunc(func(p []byte) (int, error) {
			if strings.Contains(string(p), "3/") {
				cancel()
			}
			return len(p), nil
		})
		var network nodetest.Network
		defer network.Close()
		if err := run(ctx, out, &network); !errors.Is(err, context.Canceled) {
			t.Errorf("run = %v, want canceled", err)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
