package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestDemo plays the whole demo: every fault must end as announced.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := Run(t.Context(), &out)
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
}

// TestDemoStops ends a demo in the middle, as Ctrl-C does.
func TestDemoStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out := writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "3/") {
			cancel()
		}
		return len(p), nil
	})
	if err := Run(ctx, out); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want canceled", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
