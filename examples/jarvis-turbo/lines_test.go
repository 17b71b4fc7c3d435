package jarvisturbo_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/scoring"
)

// TestCommandLines runs every command line of the plugin with the real commands
// against a cluster of fakes and a healer that keeps it, and looks for all that
// the command's text speaks of.
func TestCommandLines(t *testing.T) {
	c := newCluster(t)

	// M2 began without its model: the healer has something to tell.
	state := c.status("both serve", 0, func(s status) bool {
		return s.node("M1").State == healer.Healthy && s.node("M2").State == healer.Healthy && len(s.of("M2")) > 0
	})
	if state.Serving != "M1" || time.Since(state.node("M2").LastCheck) > time.Minute || len(state.node("M2").Loaded) != 1 {
		t.Errorf("serving %s, M2 is %+v", state.Serving, state.node("M2"))
	}

	// The history that another program wrote.
	var past history
	c.line("benchmark-history", "jarvis-arena --history --json", 0, &past)
	if past.Champion.Model != "qwen/qwen3-8b" || past.Champion.Since != "2026-02-26" || past.Champion.Score != 9.24 {
		t.Errorf("champion: %+v", past.Champion)
	}
	if len(past.Runs) != 10 || len(past.Alarms) == 0 {
		t.Errorf("%d runs, %d alarms", len(past.Runs), len(past.Alarms))
	}
	for _, run := range past.Runs {
		if run.Time == "" || run.Model == "" || run.Tests == 0 {
			t.Errorf("run: %+v", run)
		}
	}

	// The estimates change nothing: nothing is loaded, and no question asked but
	// for a canary of the healer.
	asked := len(c.m1.CallsTo(nodetest.Chats))
	for _, line := range []string{"jarvis-arena --dry-run --quick --json MODEL", "jarvis-arena --dry-run --quick --json --all"} {
		var e arena.Estimate
		c.line("arena", line, 0, &e)
		if e.Node != "M1" || e.Champion != "good:latest" || e.MostMinutes <= 0 || e.LeastMinutes > e.MostMinutes || e.Smallest <= 0 {
			t.Errorf("%s: %+v", line, e)
		}
	}
	var serving status
	c.line("arena", "jarvis-heal status --json", 0, &serving)
	if !serving.node("M2").State.Serves() {
		t.Errorf("M2 is %s", serving.node("M2").State)
	}
	if loaded := c.m1.Loaded(); len(c.m1.CallsTo(nodetest.Chats)) > asked+1 || !slices.Equal(loaded, []string{"good:latest"}) {
		t.Errorf("%d questions for an estimate, %q in memory", len(c.m1.CallsTo(nodetest.Chats))-asked, loaded)
	}

	// A model that isn't there: nothing begins, and the message says what to do.
	if _, words := c.shell("jarvis-arena --dry-run --quick --json 'absent'", 1); !strings.Contains(words, "jarvis-arena pull absent") {
		t.Errorf("of an absent model it says only: %s", words)
	}

	// The tournament, which takes M1 out of service: M2 has the traffic.
	done := make(chan arena.Result, 1)
	go func() {
		var r arena.Result
		c.line("arena", "jarvis-arena --quick --json MODEL", 0, &r)
		done <- r
	}()
	c.status("the tournament holds M1", 1, func(s status) bool { return s.node("M1").State == healer.Maintenance && s.Serving == "M2" })
	r := <-done
	if r.Verdict != arena.VerdictPromoted || r.Loaded != "better:latest" || r.Gap == nil || r.Gap.Low > r.Gap.Estimate || r.Gap.High < r.Gap.Estimate {
		t.Errorf("tournament: %+v, gap %+v", r, r.Gap)
	}
	c.status("M1 serves again", 0, func(s status) bool { return s.Serving == "M1" && s.node("M1").State == healer.Healthy })

	// All candidates: none is better than that one.
	var ranking arena.Ranking
	c.line("arena", "jarvis-arena --quick --json --all", 0, &ranking)
	if ranking.Verdict == arena.VerdictPromoted || ranking.Final.Verdict != ranking.Verdict || len(ranking.Table) != 2 || ranking.Final.Loaded != "better:latest" {
		t.Errorf("all: %+v", ranking)
	}

	// The history has it.
	for command, line := range map[string]string{
		"arena": "jarvis-arena --history --json", "benchmark-history": "jarvis-arena --history --json --node NODE",
	} {
		var past history
		c.line(command, line, 0, &past)
		if past.Champion.Model != "better:latest" || len(past.Runs) == 0 || past.Trend < past.Low || past.Trend > past.High {
			t.Errorf("%s: %+v", line, past)
		}
	}

	// A node that is down is no failure of the command that shows it.
	c.m2.Break(nodetest.Down)
	state = c.status("M2 is down", 1, func(s status) bool { return s.node("M2").State == healer.Offline && s.node("M2").LastError != "" })
	if state.Serving != "M1" || state.Champion.Model != "better:latest" {
		t.Errorf("serving %s, champion %+v, M2 is %+v", state.Serving, state.Champion, state.node("M2"))
	}
	if out, _ := c.shell("jarvis-heal check", 1); !strings.Contains(out, "M2") {
		t.Errorf("check says nothing of M2:\n%s", out)
	}
	c.ran["heal-status: jarvis-heal check"] = true

	// Where the state can't be told, a config that isn't right.
	c.write("jarvis.yaml", "nodes: [{name: M1, engin: ollama}]\n")
	if out, _ := c.shell("jarvis-heal status --json", 2); out != "" {
		t.Errorf("it prints a state after all: %s", out)
	}
	if _, words := c.shell("jarvis-heal check", 1); !strings.Contains(words, "jarvis.yaml:1") || !strings.Contains(words, "engin") {
		t.Errorf("check says only: %s", words)
	}

	all := map[string]bool{}
	for name, command := range commands(t) {
		for _, line := range command.lines {
			all[name+": "+line] = true
		}
	}
	if diff := cmp.Diff(sorted(all), sorted(c.ran)); diff != "" {
		t.Errorf("the plugin's lines, and those that were run (-plugin +run):\n%s", diff)
	}
	c.words()
}

// word is a field or a value that a command's text speaks of.
var word = regexp.MustCompile("`([a-z][a-z0-9_]*)`")

// words checks that all that the texts speak of is there: as a field of what the
// command's lines printed, or as a value that these fields can have.
func (c *cluster) words() {
	values := []string{
		"all", string(healer.Healthy), string(healer.Suspect), string(healer.Degraded), string(healer.Offline), string(healer.Misconfigured),
		string(arena.VerdictPromoted), string(arena.VerdictInconclusive), string(scoring.Regression), string(scoring.Outage),
	}
	for name, command := range commands(c.t) {
		for _, found := range word.FindAllStringSubmatch(command.body, -1) {
			if !c.printed[name][found[1]] && !slices.Contains(values, found[1]) {
				c.t.Errorf("%s speaks of %s, which nothing prints", name, found[1])
			}
		}
	}
}

// status is what heal-status reads.
type status struct {
	Serving  string
	Nodes    []healer.NodeStatus
	Events   []healer.Event
	Champion struct{ Model string }
}

func (s status) node(name string) healer.NodeStatus {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n
		}
	}
	return healer.NodeStatus{}
}

// of are the events of a node.
func (s status) of(name string) (list []healer.Event) {
	for _, e := range s.Events {
		if e.Node == name && e.Text() != "" && !e.Time.IsZero() {
			list = append(list, e)
		}
	}
	return list
}

// history is what benchmark-history reads.
type history struct {
	Champion struct {
		Model, Since string
		Score        float64
	}
	Runs []struct {
		Time    string  `json:"timestamp"`
		Type    string  `json:"type"`
		Model   string  `json:"model_m1"`
		Score   float64 `json:"score_composite"`
		Passed  float64 `json:"pass_rate"`
		Latency float64 `json:"avg_latency_ms"`
		Tests   int     `json:"total_tests"`
	}
	Trend  float64
	Low    float64 `json:"trend_low"`
	High   float64 `json:"trend_high"`
	Alarms []struct{ Time, Kind, Text string }
}

// line runs a line of a command, as it stands in its file, with the model and
// the node filled in, and reads the one object that it must print.
func (c *cluster) line(command, line string, code int, into any) {
	c.t.Helper()
	if !slices.Contains(commands(c.t)[command].lines, line) {
		c.t.Errorf("%s doesn't run %q", command, line)
	}
	out, words := c.shell(strings.NewReplacer("MODEL", "'better'", "NODE", "'M1'").Replace(line), code)
	c.read(command, line, out, words, into)
}

// read notes the fields of what a line printed.
func (c *cluster) read(command, line, out, words string, into any) {
	c.t.Helper()
	c.lock.Lock()
	defer c.lock.Unlock()
	c.ran[command+": "+line] = true
	var whole any
	if err := json.Unmarshal([]byte(out), &whole); err != nil {
		c.t.Errorf("%s prints no JSON: %v\n%s%s", line, err, out, words)
		return
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		c.t.Errorf("%s: %v\n%s", line, err, out)
	}
	if c.printed[command] == nil {
		c.printed[command] = map[string]bool{}
	}
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, part := range v {
				c.printed[command][key] = true
				walk(part)
			}
		case []any:
			for _, part := range v {
				walk(part)
			}
		}
	}
	walk(whole)
}
