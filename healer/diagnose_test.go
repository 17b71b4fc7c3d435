package healer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

func testNode() *nodeState {
	return &nodeState{
		traits: traits{
			name: "M1", wanted: nodes.Model{Name: "good"}, canLoad: true, canRestart: true,
			same: func(a, b string) bool { return a == b },
		},
		state: Healthy, served: true,
	}
}

func loadedWith(list ...nodes.Instance) nodes.Snapshot {
	return nodes.Snapshot{OnDisk: []nodes.File{{Name: "good"}, {Name: "other"}}, Loaded: list}
}

// TestDiagnose holds the table of what is seen and what it is called.
func TestDiagnose(t *testing.T) {
	now := time.Date(2026, 2, 25, 20, 15, 0, 0, time.UTC)
	good, other := nodes.Instance{ID: "good", Model: "good"}, nodes.Instance{ID: "other", Model: "other"}
	probe := func(s nodes.Snapshot) input { return input{kind: opProbe, at: now, snapshot: s} }
	fault := func(k kind, f nodes.Fault) input { return input{kind: k, at: now, fault: f} }
	stopping := good
	stopping.Stopping, stopping.Expires = true, now.Add(-10*time.Second)
	stuck := stopping
	stuck.Expires = now.Add(-10 * time.Minute)
	loading := good
	loading.Loading = true

	tests := []struct {
		name string
		seen input
		node func(*nodeState)
		want Cause
	}{
		{"probe: wanted model loaded", probe(loadedWith(good)), nil, ""},
		{"probe: wanted model beside another", probe(loadedWith(other, good)), nil, ""},
		{"probe: nothing loaded", probe(loadedWith()), nil, CauseModelMissing},
		{"probe: nothing loaded, on demand", probe(loadedWith()), func(n *nodeState) { n.onDemand = true }, ""},
		{"probe: another model loaded", probe(loadedWith(other)), nil, CauseDrift},
		{"probe: another model loaded, none configured", probe(loadedWith(other)), func(n *nodeState) { n.wanted = nodes.Model{} }, ""},
		{"probe: nothing loaded, none configured", probe(loadedWith()), func(n *nodeState) { n.wanted = nodes.Model{} }, CauseModelMissing},
		{"probe: being loaded", probe(loadedWith(loading)), nil, CauseBusy},
		{"probe: being unloaded", probe(loadedWith(stopping)), nil, CauseBusy},
		{"probe: stuck in stopping", probe(loadedWith(stuck)), nil, CauseUnloadStuck},
		{"probe: not offered", probe(nodes.Snapshot{LoadedUnknown: true, Loaded: []nodes.Instance{other}}), nil, CauseModelMissing},
		{"probe: promoted model loaded", probe(loadedWith(other)), func(n *nodeState) {
			n.kept.Override = &Override{Model: nodes.Model{Name: "other"}, Why: OverridePromoted}
		}, ""},

		{"probe: refused", fault(opProbe, nodes.Refused), nil, CauseServerDown},
		{"probe: unreachable", fault(opProbe, nodes.Unreachable), nil, CauseServerDown},
		{"probe: no answer", fault(opProbe, nodes.TimedOut), nil, CauseServerHung},
		{"probe: no answer, tokens flow", input{kind: opProbe, at: now, fault: nodes.TimedOut, tokens: true}, nil, CauseBusy},
		{"probe: 401", fault(opProbe, nodes.Unauthorized), nil, CauseMisconfigured},
		{"probe: another engine", fault(opProbe, nodes.WrongEngine), nil, CauseMisconfigured},
		{"probe: 429 or 503", fault(opProbe, nodes.Busy), nil, CauseBusy},
		{"probe: 500", fault(opProbe, nodes.ServerFailed), nil, CauseErroring},
		{"probe: not JSON", fault(opProbe, nodes.Protocol), nil, CauseErroring},
		{"probe: cut off", fault(opProbe, nodes.CutOff), nil, CauseErroring},

		{"canary: token", input{kind: opCanary, at: now}, nil, ""},
		{"canary: no token", fault(opCanary, nodes.TimedOut), nil, CauseWedged},
		{"canary: no token, others flow", input{kind: opCanary, at: now, fault: nodes.TimedOut, tokens: true}, nil, CauseBusy},
		{"canary: empty", fault(opCanary, nodes.Empty), nil, CauseErroring},
		{"canary: cut off", fault(opCanary, nodes.CutOff), nil, CauseErroring},
		{"canary: crashed", fault(opCanary, nodes.Crashed), nil, CauseErroring},
		{"canary: 500", fault(opCanary, nodes.ServerFailed), nil, CauseErroring},
		{"canary: not loaded any more", fault(opCanary, nodes.NotLoaded), nil, CauseModelMissing},
		{"canary: model gone", fault(opCanary, nodes.ModelNotFound), nil, CauseModelMissing},
		{"canary: another model answered", fault(opCanary, nodes.WrongModel), nil, CauseDrift},
		{"canary: 401", fault(opCanary, nodes.Unauthorized), nil, CauseMisconfigured},
		{"canary: busy", fault(opCanary, nodes.Busy), nil, CauseBusy},
		{"canary: server gone", fault(opCanary, nodes.Refused), nil, CauseServerDown},

		{"questions: 3 of 3", input{kind: opQuestions, at: now, right: 3, graded: 3}, nil, ""},
		{"questions: 2 of 3", input{kind: opQuestions, at: now, right: 2, graded: 3}, nil, ""},
		{"questions: 1 of 3", input{kind: opQuestions, at: now, right: 1, graded: 3}, nil, CauseBadModel},
		{"questions: hang", fault(opQuestions, nodes.TimedOut), nil, CauseWedged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := testNode()
			if tt.node != nil {
				tt.node(n)
			}
			n.snapshot = tt.seen.snapshot
			if got := diagnose(DefaultPolicy(), n, tt.seen); got.cause != tt.want {
				t.Errorf("diagnose = %q (%s), want %q", got.cause, got.evidence.String(), tt.want)
			}
		})
	}
}

// TestLadder holds what is done against each cause, by what the node can.
func TestLadder(t *testing.T) {
	tests := []struct {
		cause                    Cause
		both, onlyLoad, onlyBoot []rung
	}{
		{CauseServerDown, []rung{restart}, nil, []rung{restart}},
		{CauseServerHung, []rung{restart}, nil, []rung{restart}},
		{CauseModelMissing, []rung{load, reload, restart}, []rung{load, reload}, []rung{restart}},
		{CauseDrift, []rung{load, reload, restart}, []rung{load, reload}, []rung{restart}},
		{CauseWedged, []rung{reload, restart}, []rung{reload}, []rung{restart}},
		{CauseErroring, []rung{reload, restart}, []rung{reload}, []rung{restart}},
		{CauseUnloadStuck, []rung{reload, restart}, []rung{reload}, []rung{restart}},
		{CauseBadModel, []rung{reload}, []rung{reload}, []rung{restart}},
		{CauseMisconfigured, nil, nil, nil},
		{CauseBusy, nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(string(tt.cause), func(t *testing.T) {
			n := testNode()
			if diff := cmp.Diff(tt.both, ladder(n, tt.cause)); diff != "" {
				t.Errorf("load and restart (-want +got):\n%s", diff)
			}
			n.canRestart = false
			if diff := cmp.Diff(tt.onlyLoad, ladder(n, tt.cause)); diff != "" {
				t.Errorf("load only (-want +got):\n%s", diff)
			}
			n.canRestart, n.snapshot.ReadOnly = true, true
			if diff := cmp.Diff(tt.onlyBoot, ladder(n, tt.cause)); diff != "" {
				t.Errorf("restart only (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBackoff holds the pauses between repairs.
func TestBackoff(t *testing.T) {
	p := DefaultPolicy()
	var got []time.Duration
	for attempts := range 9 {
		got = append(got, p.backoff(attempts))
	}
	s := time.Second
	want := []time.Duration{0, 10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 300 * s, 300 * s, 300 * s}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if got := p.backoff(1 << 40); got != p.BackoffMax {
		t.Errorf("after very many: %s", got)
	}
}

// TestRepairsAtOnce holds the repair budget.
func TestRepairsAtOnce(t *testing.T) {
	p := DefaultPolicy()
	for n, want := range map[int]int{1: 1, 2: 1, 3: 1, 5: 1, 6: 2, 9: 3, 100: 33} {
		if got := p.repairsAtOnce(n); got != want {
			t.Errorf("of %d nodes: %d, want %d", n, got, want)
		}
	}
	p.MaxRepairs = 5
	if got := p.repairsAtOnce(6); got != 5 {
		t.Errorf("set to 5: %d", got)
	}
}

// TestRollbackTarget holds what there is to go back to.
func TestRollbackTarget(t *testing.T) {
	disk := []nodes.File{{Name: "good", Digest: "1"}, {Name: "other", Digest: "2"}, {Name: "backup", Digest: "0"}}
	tests := []struct {
		name     string
		lkg      *nodes.Model
		previous *nodes.Model
		failed   nodes.Model
		disk     []nodes.File
		want     string
	}{
		{"no last known good", nil, nil, nodes.Model{Name: "good"}, disk, ""},
		{"another model", &nodes.Model{Name: "other"}, nil, nodes.Model{Name: "good"}, disk, "other"},
		{"the failed one itself", &nodes.Model{Name: "good", Digest: "1"}, nil, nodes.Model{Name: "good"}, disk, ""},
		{"itself, with other settings", &nodes.Model{Name: "good"}, nil, nodes.Model{Name: "good", Settings: nodes.Settings{"num_ctx": 9}}, disk, "good"},
		{"its file, now under another name", &nodes.Model{Name: "good", Digest: "0"}, nil, nodes.Model{Name: "good"}, disk, "backup"},
		{"its file gone", &nodes.Model{Name: "good", Digest: "9"}, nil, nodes.Model{Name: "good"}, disk, ""},
		{"gone from disk", &nodes.Model{Name: "lost"}, nil, nodes.Model{Name: "good"}, disk, ""},
		{"disk unknown", &nodes.Model{Name: "lost"}, nil, nodes.Model{Name: "good"}, nil, "lost"},
		{"what was there before the repair", nil, &nodes.Model{Name: "other"}, nodes.Model{Name: "good"}, disk, "other"},
		{"last known good before what was there", &nodes.Model{Name: "backup"}, &nodes.Model{Name: "other"}, nodes.Model{Name: "good"}, disk, "backup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := testNode()
			n.kept.LastKnownGood, n.incident.previous, n.incident.target = tt.lkg, tt.previous, tt.failed
			n.snapshot.OnDisk = tt.disk
			got, ok := n.rollbackTarget()
			if got.Name != tt.want || ok != (tt.want != "") {
				t.Errorf("rollbackTarget = %q, %v; want %q", got.Name, ok, tt.want)
			}
			n.snapshot.ReadOnly = true
			if got, ok := n.rollbackTarget(); ok {
				t.Errorf("%q on a node that can't load", got.Name)
			}
			n.snapshot.ReadOnly, n.canLoad = false, false
			if got, ok := n.rollbackTarget(); ok {
				t.Errorf("%q on a node whose engine can't load", got.Name)
			}
		})
	}
}

// TestRollbackTargetOfAPromotion: what served before the promotion comes back, and
// where the promoted model was good before with another file, that file.
func TestRollbackTargetOfAPromotion(t *testing.T) {
	n := testNode()
	n.kept.Override = &Override{Model: nodes.Model{Name: "other"}, Why: OverridePromoted, Previous: &nodes.Model{Name: "good"}}
	n.incident.target = n.kept.Override.Model
	n.snapshot.OnDisk = []nodes.File{{Name: "good", Digest: "1"}, {Name: "other", Digest: "2"}, {Name: "backup", Digest: "0"}, {Name: "third"}}
	for _, c := range []struct {
		good nodes.Model
		want string
	}{
		{nodes.Model{Name: "third"}, "good"},
		{nodes.Model{Name: "other", Digest: "2"}, "good"},
		{nodes.Model{Name: "other", Digest: "0"}, "backup"},
		{nodes.Model{Name: "other", Digest: "9"}, "good"},
	} {
		n.kept.LastKnownGood = &c.good
		if got, _ := n.rollbackTarget(); got.Name != c.want {
			t.Errorf("with %s %s known good: back to %q, want %q", c.good.Name, c.good.Digest, got.Name, c.want)
		}
	}
}

// TestPolicyValidate holds that each senseless figure is named.
func TestPolicyValidate(t *testing.T) {
	for _, p := range []Policy{{}, DefaultPolicy(), {Grace: Off, Settle: Off, QuestionsEvery: Off}} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if diff := cmp.Diff(DefaultPolicy(), Policy{}.filled()); diff != "" {
		t.Errorf("zero is not the default (-want +got):\n%s", diff)
	}
	if p := (Policy{Grace: Off, Settle: Off, QuestionsEvery: Off, Interval: time.Second}).filled(); p.Grace != 0 || p.Settle != 0 || p.QuestionsEvery != 0 || p.Interval != time.Second {
		t.Errorf("off is %+v", p)
	}
	tests := []struct {
		name string
		set  func(*Policy)
		want string
	}{
		{"a negative interval", func(p *Policy) { p.Interval = Off }, "Interval: -1ns is not a positive duration"},
		{"a negative grace", func(p *Policy) { p.Grace = -time.Second }, "Grace: -1s is negative"},
		{"threshold over 1", func(p *Policy) { p.Threshold = 66 }, "Threshold: 66 is not in 0 to 1"},
		{"no questions", func(p *Policy) { p.Questions = []Question{} }, "Questions: none given; a repair could not be verified"},
		{"a question without an answer", func(p *Policy) { p.Questions = []Question{{Prompt: "2+2"}} }, "Questions[0]: prompt and expected answer must both be given"},
		{"no attempts", func(p *Policy) { p.MaxAttempts = -1 }, "MaxAttempts: -1 is less than 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := DefaultPolicy()
			tt.set(&p)
			err := p.Validate()
			if err == nil || err.Error() != tt.want {
				t.Errorf("Validate = %v, want %s", err, tt.want)
			}
		})
	}
}
