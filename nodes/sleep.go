package nodes

import (
	"context"
	"time"
)

// Sleep blocks for d and reports whether ctx has not ended. It returns early
// with false if ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
