package healer_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
)

var quarterPast = time.Date(2026, 2, 25, 20, 15, 0, 0, time.UTC)

// TestLogLine: the format of the log, whatever a server's words hold.
func TestLogLine(t *testing.T) {
	for _, c := range []struct {
		name, node, text, want string
	}{
		{"of a node", "M1", "healed after 42 s: wedged", "[2026-02-25 20:15:00] M1: healed after 42 s: wedged"},
		{"of the cluster", "", "no node serves", "[2026-02-25 20:15:00] no node serves"},
		{"forged line", "M1", "failed\n[2026-02-25 20:15:01] M2: healed", "[2026-02-25 20:15:00] M1: failed [2026-02-25 20:15:01] M2: healed"},
		{"terminal codes", "M1", "bad \x1b[2J\x07 words\r\n", "[2026-02-25 20:15:00] M1: bad [2J words"},
		{"turned text", "M1", "abc\u202edef", "[2026-02-25 20:15:00] M1: abc def"},
		{"broken characters", "M1", "caf\xe9 é 日本", "[2026-02-25 20:15:00] M1: caf� é 日本"},
		{"blanks stay", "M1", "a  b", "[2026-02-25 20:15:00] M1: a  b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := healer.LogLine(healer.Event{Time: quarterPast, Node: c.node, Detail: c.text})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want(-) got(+):\n%s", diff)
			}
		})
	}
}

type brokenFor struct {
	bytes.Buffer
	writes int
}

func (b *brokenFor) Write(p []byte) (int, error) {
	if b.writes > 0 {
		b.writes--
		return 0, errors.New("no space left on device")
	}
	return b.Buffer.Write(p)
}

// TestLogLosses: lines that a full disk swallowed are counted once it has room.
func TestLogLosses(t *testing.T) {
	w := &brokenFor{writes: 2}
	sink := healer.NewLog(w)
	for i := range 4 {
		sink.Emit(healer.Event{Time: quarterPast, Detail: fmt.Sprintf("event %d", i)})
	}
	want := `[2026-02-25 20:15:00] the log could not be written: 2 lines are lost: no space left on device
[2026-02-25 20:15:00] event 2
[2026-02-25 20:15:00] event 3
`
	if diff := cmp.Diff(want, w.String()); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}

// TestLogConcurrent: lines never mix.
func TestLogConcurrent(t *testing.T) {
	var w bytes.Buffer
	sink := healer.NewLog(&w)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				sink.Emit(healer.Event{Time: quarterPast, Node: "M1", Detail: "suspect"})
			}
		})
	}
	wg.Wait()
	const line = "[2026-02-25 20:15:00] M1: suspect\n"
	if got := w.String(); got != strings.Repeat(line, 800) {
		t.Errorf("800 lines expected, got %d bytes of %q…", len(got), got[:min(100, len(got))])
	}
}
