package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes"
)

func TestWatch(t *testing.T) {
	const first, between = 10 * time.Second, 2 * time.Second
	for name, test := range map[string]struct {
		first, between time.Duration
		tokens         []time.Duration // the wait before each
		wait           time.Duration   // after the last
		want           string          // "" means: still running
	}{
		"no token at all":              {first, between, nil, first, "M1: chat: timed out: no first token within 10s"},
		"just before the first":        {first, between, nil, first - 1, ""},
		"tokens in time":               {first, between, []time.Duration{9 * time.Second, time.Second, time.Second}, time.Second, ""},
		"no second token":              {first, between, []time.Duration{time.Second}, between, "M1: chat: timed out: no next token within 2s"},
		"no third token":               {first, between, []time.Duration{time.Second, time.Second}, between, "M1: chat: timed out: no next token within 2s"},
		"only a first deadline":        {first, 0, []time.Duration{time.Second}, time.Hour, ""},
		"only a deadline between":      {0, between, []time.Duration{time.Hour}, between, "M1: chat: timed out: no next token within 2s"},
		"only between, and none comes": {0, between, nil, time.Hour, ""},
		"none":                         {0, 0, []time.Duration{time.Hour}, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, watch := NewWatch(t.Context(), "M1", test.first, test.between)
				defer watch.Stop()
				for _, d := range test.tokens {
					time.Sleep(d)
					watch.Token()
				}
				time.Sleep(test.wait)
				synctest.Wait()
				cause := context.Cause(ctx)
				switch {
				case test.want == "" && cause != nil:
					t.Errorf("ended: %v", cause)
				case test.want != "" && (cause == nil || cause.Error() != test.want || !errors.Is(cause, nodes.TimedOut)):
					t.Errorf("got %v, want %s", cause, test.want)
				}
			})
		})
	}
}

func TestWatchStopEndsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, watch := NewWatch(t.Context(), "M1", time.Second, time.Second)
		watch.Token()
		watch.Stop()
		time.Sleep(time.Minute)
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			t.Errorf("got %v, want a cancellation and no late deadline", cause)
		}
	})
}
