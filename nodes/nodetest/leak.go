package nodetest

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// leakLabel marks the goroutines that a call under test starts: they inherit
// it, so that those of everybody else in the process don't count.
const leakLabel = "jarvis.nodetest.call"

// settling is how long a goroutine may take to end after its call returned.
const settling = 5 * time.Second

// calls makes the marks unique. It is the one thing that all tests of a
// process share, since the marks are the process's.
var calls atomic.Int64

// noLeak runs call and fails the test if a goroutine that it started lives on.
// Those of an idle HTTP connection are the transport's and may. leaked is set
// by the first such goroutine; later calls don't wait for theirs to end.
func noLeak(t *testing.T, leaked *atomic.Bool, call func()) {
	t.Helper()
	mark := strconv.FormatInt(calls.Add(1), 10)
	pprof.Do(context.Background(), pprof.Labels(leakLabel, mark), func(context.Context) { call() })
	deadline := time.Now().Add(settling)
	left := marked(mark)
	for left != "" && time.Now().Before(deadline) && !leaked.Load() {
		time.Sleep(5 * time.Millisecond)
		left = marked(mark)
	}
	if left == "" {
		return
	}
	leaked.Store(true)
	t.Errorf("a goroutine lives on after the call returned:\n%s", left)
}

// marked returns the stacks of the goroutines with the mark.
func marked(mark string) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return err.Error()
	}
	var left []string
	for group := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(group, strconv.Quote(leakLabel)+":"+strconv.Quote(mark)) &&
			!strings.Contains(group, "net/http.(*persistConn)") {
			left = append(left, group)
		}
	}
	return strings.Join(left, "\n\n")
}
