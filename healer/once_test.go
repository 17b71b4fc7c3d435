package healer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// contents returns the files of a folder, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// TestCheckOnce: a single look sees a node as a healer would that starts with the
// same state file, and leaves that file and its folder as they are.
func TestCheckOnce(t *testing.T) {
	promoted := Override{Model: simWon, Why: OverridePromoted, Replaces: nodes.Model{Name: simModel}, Previous: &simPrevious}
	edited := promoted
	edited.Replaces = nodes.Model{Name: "older"}
	for _, c := range []struct {
		name    string
		kept    *persisted // nil for no state file
		content string     // in place of kept
		loaded  []string
		noModel bool // none is configured
		locked  bool // another process writes
		leased  bool
		want    NodeStatus
		told    string
	}{
		{name: "no state", loaded: []string{simModel}, want: NodeStatus{State: Healthy, Wanted: simModel}},
		{name: "no state, another model", loaded: []string{simOther}, want: NodeStatus{
			State: Offline, Wanted: simModel, LastError: "drift: other is loaded instead of good",
		}},
		{name: "promoted", kept: &persisted{Override: &promoted}, loaded: []string{simOther}, want: NodeStatus{State: Healthy, Wanted: simOther}},
		{name: "promoted, while another process writes", kept: &persisted{Override: &promoted}, locked: true, loaded: []string{simOther}, want: NodeStatus{
			State: Healthy, Wanted: simOther,
		}},
		{name: "promoted, and the config's is loaded", kept: &persisted{Override: &promoted}, loaded: []string{simModel}, want: NodeStatus{
			State: Offline, Wanted: simOther, LastError: "drift: good is loaded instead of other",
		}},
		{name: "promoted, and the config edited since", kept: &persisted{Override: &edited}, loaded: []string{simOther}, want: NodeStatus{
			State: Offline, Wanted: simModel, LastError: "drift: other is loaded instead of good",
		}},
		{name: "last known good", kept: &persisted{LastKnownGood: &simPrevious, Attempts: 2, Undone: "r1"}, noModel: true, want: NodeStatus{
			State: Offline, Wanted: simModel, LastKnownGood: &simPrevious, Attempts: 2, Undone: "r1",
			LastError: "model missing: good is not loaded",
		}},
		{name: "paused", kept: &persisted{Paused: &Pause{Why: "rack work"}}, loaded: []string{simModel}, want: NodeStatus{
			State: Healthy, Wanted: simModel, Paused: &Pause{Why: "rack work"},
		}},
		{name: "a pause that is over", kept: &persisted{Paused: &Pause{Until: time.Unix(1, 0)}}, loaded: []string{simModel}, want: NodeStatus{State: Healthy, Wanted: simModel}},
		{name: "unreadable", content: `{"version":1,`, loaded: []string{simModel}, want: NodeStatus{State: Healthy, Wanted: simModel}, told: "the state file is unreadable: "},
		{name: "leased", kept: &persisted{Override: &promoted}, leased: true, loaded: []string{"third"}, want: NodeStatus{
			State: Maintenance, Wanted: simOther, LeasedBy: "jarvis-arena (tournament of other)",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			state := filepath.Join(dir, "state.json")
			if c.kept != nil {
				content, err := formatState(map[string]persisted{"M1": *c.kept})
				if err != nil {
					t.Fatal(err)
				}
				c.content = string(content)
			}
			if c.content != "" {
				if err := os.WriteFile(state, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.locked {
				unlock, err := file{state}.lock(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = unlock() }()
			}
			synctest.Test(t, func(t *testing.T) {
				cluster := newSimCluster(t, false)
				node, server := cluster.nodes[0], cluster.servers[0]
				server.drop(c.loaded...)
				if c.noModel {
					node.Wanted = nodes.Model{}
				}
				if c.leased {
					defer cluster.release(cluster.lease("M1"))
					server.leased = true
				}
				set, err := nodes.NewSet(node)
				if err != nil {
					t.Fatal(err)
				}
				before, began := contents(t, dir), time.Now()
				s, err := CheckOnce(t.Context(), Config{Nodes: set, StateFile: state, Leases: cluster.leases, Sinks: []Sink{cluster.events}})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %s", took)
				}
				if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
					t.Errorf("files before(-) after(+):\n%s", diff)
				}
				got := s.Nodes[0]
				got.Name, got.Engine, got.Loaded, got.LastCheck, got.LastOK, got.LatencyMS = "", "", nil, time.Time{}, time.Time{}, 0
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("want(-) got(+):\n%s", diff)
				}
				var told []string
				for _, e := range s.Events {
					told = append(told, e.Text())
				}
				if text := strings.Join(told, "\n"); !strings.HasPrefix(text, c.told) || c.told == "" && text != "" || len(told) > 1 {
					t.Errorf("told %q, want %q…", text, c.told)
				}
				if server.repairs() != 0 || len(server.broken) > 0 || cluster.events.text() != "" {
					t.Errorf("%d changes, broken: %v, told: %s", server.repairs(), server.broken, cluster.events.text())
				}
				if c.locked {
					return
				}
				h, err := New(Config{Nodes: set, StateFile: state})
				if err != nil {
					t.Fatal(err)
				}
				start := h.Now().Nodes[0]
				if got.Wanted != start.Wanted || got.Attempts != start.Attempts || got.Undone != start.Undone || !cmp.Equal(got.LastKnownGood, start.LastKnownGood) {
					t.Errorf("the look has %+v, a healer that starts %+v", got, start)
				}
			})
		})
	}
}

// TestKept: what is kept of a node, as far as it holds.
func TestKept(t *testing.T) {
	good, other := nodes.Model{Name: "good"}, nodes.Model{Name: "other"}
	node, err := nodes.New(nodes.Node{Name: "M1", Backend: newSimServer("M1"), Wanted: good})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		kept persisted
		want Kept
	}{
		{"nothing", persisted{}, Kept{Serving: good}},
		{"all", persisted{
			Override: &Override{Model: other, Why: OverridePromoted, Replaces: good}, LastKnownGood: &good,
			Restore: &Note{Model: good}, Paused: &Pause{Why: "rack work"},
		}, Kept{Serving: other, Why: OverridePromoted, LastKnownGood: &good, Restore: &Note{Model: good}, Paused: &Pause{Why: "rack work"}}},
		{"of an older config", persisted{Override: &Override{Model: other, Why: OverridePromoted, Replaces: other}}, Kept{Serving: good}},
		{"a pause that is over", persisted{Paused: &Pause{Until: time.Unix(1, 0)}}, Kept{Serving: good}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			content, err := formatState(map[string]persisted{"M1": c.kept})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := OpenState(path).Kept(t.Context(), node)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v, want(-) got(+):\n%s", err, diff)
			}
		})
	}
	if got, err := OpenState("").Kept(t.Context(), node); !cmp.Equal(got, Kept{Serving: good}) || err != nil {
		t.Errorf("without a state file: %+v, %v", got, err)
	}
}
