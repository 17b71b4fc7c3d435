package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
)

var now = time.Date(2026, 2, 25, 20, 15, 0, 0, time.UTC)

func sample() healer.Status {
	return healer.Status{
		Serving:  "M2",
		Champion: &healer.Champion{Model: "qwen", Score: 9.24, Since: "2026-02-24"},
		Nodes: []healer.NodeStatus{
			{Name: "M1", Engine: "lmstudio", State: healer.Offline, Wanted: "qwen/qwen3", LastError: "connection refused\x1b[2J", LastOK: now.Add(-3 * time.Hour), Paused: &healer.Pause{Why: "new\x1b disk"}},
			{Name: "M2", Engine: "ollama", State: healer.Healthy, Wanted: "llama3:8b", Loaded: []string{"llama3:8b"}, LatencyMS: 12, LastOK: now, Asleep: true},
			{Name: "M3", Engine: "openai", State: healer.Repairing, Wanted: "a", Loaded: []string{"b", "c"}, LastOK: now.Add(-50 * time.Second), LatencyMS: 3},
			{Name: "M4", Engine: "llamacpp", State: healer.Unknown},
			{Name: "M5", Engine: "ollama", State: healer.Maintenance, Wanted: "a", LeasedBy: "jarvis-arena (tournament\x1b of b)"},
			{Name: "M6", Engine: "ollama", State: healer.Offline, Wanted: "a", Attempts: 3, NextRepair: now.Add(200 * time.Second)},
			{Name: "M7", Engine: "ollama", State: healer.Healthy, Wanted: "a", Loaded: []string{"a"}, Paused: &healer.Pause{Until: now.Add(65 * time.Minute), Why: "new disk"}},
		},
	}
}

// TestStatus: the table, and an error's control characters taken out.
func TestStatus(t *testing.T) {
	var b bytes.Buffer
	Coloured(&b, false).Status(sample(), "looked once", now)
	want := `serving: M2 (looked once)
champion: qwen, score 9.2, since 2026-02-24

NODE  ENGINE    STATE        MODEL                    LATENCY  LAST OK
M1    lmstudio  offline      qwen/qwen3 (not loaded)  0 ms     3 h ago
  connection refused [2J
  repairs are paused until they are resumed: new disk
M2    ollama    healthy      llama3:8b (asleep)       12 ms    now
M3    openai    repairing    a (loaded: b, c)         3 ms     50 s ago
M4    llamacpp  unknown      -                        -        never
M5    ollama    maintenance  a                        -        never
  leased by jarvis-arena (tournament of b)
M6    ollama    offline      a (not loaded)           -        never
  the next repair is in 3.3 min, after 3 without success
M7    ollama    healthy      a                        -        never
  repairs are paused for 65 min more, until ` + now.Add(65*time.Minute).Local().Format("2006-01-02 15:04:05") + `: new disk
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}

// TestColours: where they are wanted and only there, without moving a column.
func TestColours(t *testing.T) {
	var plain, coloured bytes.Buffer
	for _, p := range []*Printer{Coloured(&plain, false), Coloured(&coloured, true)} {
		p.Status(sample(), "looked once", now)
		p.Emit(healer.Event{Time: now, Node: "M1", Type: healer.EventHealed, Detail: "healed after 42s"})
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colours in plain output")
	}
	if !strings.Contains(coloured.String(), green+"M1: healed after 42s"+reset) {
		t.Errorf("no green event in %q", coloured.String())
	}
	without := coloured.String()
	for _, code := range []string{red, green, yellow, grey, reset} {
		without = strings.ReplaceAll(without, code, "")
	}
	if diff := cmp.Diff(plain.String(), without); diff != "" {
		t.Errorf("plain(-) coloured(+):\n%s", diff)
	}
	if New(&plain).colour {
		t.Error("colours for what is no terminal")
	}
}
