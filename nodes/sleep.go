package nodes

import (
	"context"
	"time"
)

// Sleep waits for d. It returns false, at once, if ctx has ended or ends
// meanwhile.
func Sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
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
