package nodes_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes"
)

func TestSleep(t *testing.T) {
	for name, test := range map[string]struct {
		limit, sleep, took time.Duration
		whole              bool
	}{
		"to its end":              {time.Hour, time.Minute, time.Minute, true},
		"until the context ends":  {time.Minute, time.Hour, time.Minute, false},
		"no time":                 {time.Hour, 0, 0, true},
		"less than no time":       {time.Hour, -1, 0, true},
		"no time, ended":          {-1, 0, 0, false},
		"some time, ended before": {-1, time.Minute, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.limit)
				defer cancel()
				began := time.Now()
				if whole, took := nodes.Sleep(ctx, test.sleep), time.Since(began); whole != test.whole || took != test.took {
					t.Errorf("slept for %s, %t; want %s, %t", took, whole, test.took, test.whole)
				}
			})
		})
	}
}
