package healer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// TestTranscripts plays testdata/*.txt: each line is an input of a step, with the
// whole answer of the step beneath. Run it with -rewrite to write the answers
// anew, and read the change as a diff.
//
//	cluster             one line for each node: NAME [model=NAME] [restart] [fixed] [ondemand] [settings=k:v]
//	                    and: policy [adopt] [repairs=N] [attempts=N] [canary=TIME] [noquestions] [regression=confirm|tournament] [norerun] [once]
//	quiet, step         lines of inputs; quiet prints no answer
//
// After the sentence of an event stand the facts that the sentence does not tell.
// "NODE show" is no input: it prints what the healer knows of the node.
// An input is NODE KIND key=value …. The result of an operation comes when the
// operation was due, and took no time; "wait 5m" lets time pass.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			lines := strings.Split(strings.TrimSpace(d.Input), "\n")
			switch d.Cmd {
			case "cluster":
				s = newScript(t, lines)
				return ""
			case "quiet", "step":
				var out strings.Builder
				for _, line := range lines {
					answer, err := s.play(line)
					if err != nil {
						d.Fatalf(t, "%s: %v", line, err)
					}
					if d.Cmd == "step" {
						fmt.Fprintf(&out, "%s %s\n%s", clock(s.now.Sub(s.began)), line, answer)
					}
				}
				return out.String()
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// script is a fleet that a transcript drives.
type script struct {
	fleet *fleet
	began time.Time
	now   time.Time
}

func newScript(t *testing.T, lines []string) *script {
	t.Helper()
	began := time.Date(2026, 2, 25, 20, 0, 0, 0, time.UTC)
	s := &script{began: began, now: began}
	p, regression, canRerun, once := DefaultPolicy(), OnRegressionAlert, true, false
	var states []nodeState
	var order []int
	for _, line := range lines {
		name, args, flags := parse(line)
		if name == "policy" {
			p.AdoptDrift = flags["adopt"]
			p.MaxRepairs, _ = strconv.Atoi(cmp.Or(args["repairs"], "0"))
			p.MaxAttempts, _ = strconv.Atoi(cmp.Or(args["attempts"], strconv.Itoa(p.MaxAttempts)))
			if d, err := time.ParseDuration(args["canary"]); err == nil {
				p.CanaryEvery = d
			}
			if flags["noquestions"] {
				p.QuestionsEvery = 0
			}
			regression, canRerun, once = OnRegression(args["regression"]), !flags["norerun"], flags["once"]
			continue
		}
		n := nodeState{traits: traits{
			name: name, wanted: nodes.Model{Name: args["model"], Settings: settingsOf(args["settings"])},
			canLoad: !flags["fixed"], canRestart: flags["restart"], onDemand: flags["ondemand"],
			same: func(a, b string) bool { return canonical(a) == canonical(b) }, canonical: canonical,
		}, state: Unknown}
		order = append(order, len(states))
		states = append(states, n)
	}
	s.fleet = newFleet(p, states, order)
	s.fleet.onRegression, s.fleet.canRerun, s.fleet.once = regression, canRerun, once
	s.fleet.step(input{kind: inStart, at: s.now})
	return s
}

// canonical is a model's name as Ollama has it.
func canonical(model string) string { return strings.TrimSuffix(model, ":latest") }

// parse splits "NAME key=value flag", with quoted values.
func parse(line string) (name string, args map[string]string, flags map[string]bool) {
	args, flags = map[string]string{}, map[string]bool{}
	inQuotes := false
	fields := strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			inQuotes = !inQuotes
		}
		return r == ' ' && !inQuotes
	})
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			args[k] = strings.Trim(v, `"`)
		} else {
			flags[f] = true
		}
	}
	return fields[0], args, flags
}

func settingsOf(text string) nodes.Settings {
	if text == "" {
		return nil
	}
	k, v, _ := strings.Cut(text, ":")
	n, _ := strconv.Atoi(v)
	return nodes.Settings{k: n}
}

// play applies the input of a line.
func (s *script) play(line string) (string, error) {
	fields := strings.Fields(line)
	if fields[0] == "wait" {
		d, err := time.ParseDuration(fields[1])
		s.now = s.now.Add(d)
		return "", err
	}
	node := slices.IndexFunc(s.fleet.nodes, func(n nodeState) bool { return n.name == fields[0] })
	switch {
	case fields[0] == "all":
		node = allNodes
	case node < 0:
		return "", errors.New("no such node")
	case len(fields) < 2:
		return "", errors.New("no input")
	}
	k, args, flags := parse(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), fields[0])))
	switch k {
	case "well":
		return s.well(node)
	case "show":
		return s.show(&s.fleet.nodes[node]), nil
	}
	in := input{kind: kind(k), node: node}
	if in.kind.isResult() && !flags["now"] {
		n := &s.fleet.nodes[node]
		if n.next.kind != in.kind && (n.next.kind != "" || in.kind != opProbe) {
			return "", fmt.Errorf("%s waits for %q", n.name, n.next.kind)
		}
		if n.next.at.After(s.now) {
			s.now = n.next.at
		}
		in.revision = n.next.revision
		if flags["outdated"] {
			in.revision--
		}
	}
	took, _ := time.ParseDuration(args["took"])
	in.began = s.now
	s.now = s.now.Add(took)
	in.at = s.now
	in.fault, in.detail = nodes.Fault(args["fault"]), args["detail"]
	in.retryAfter, _ = time.ParseDuration(args["retry"])
	in.holder, in.output, in.tokens = args["holder"], args["output"], flags["tokens"]
	if text := args["right"]; text != "" {
		_, _ = fmt.Sscanf(text, "%d/%d", &in.right, &in.graded)
	}
	if in.fault == "" && (in.kind == opProbe || in.kind == opEnsure) {
		in.snapshot = snapshotOf(args, flags)
	}
	if err := s.fill(&in, args, flags); err != nil {
		return "", err
	}
	return s.step(in), nil
}

// fill sets the fields of inputs that are no results.
func (s *script) fill(in *input, args map[string]string, flags map[string]bool) error {
	model := func(name string) nodes.Model { return nodes.Model{Name: name} }
	switch in.kind {
	case inPause:
		in.pause = &Pause{Why: args["why"]}
		if d, err := time.ParseDuration(args["for"]); err == nil {
			in.pause.Until = s.now.Add(d)
		}
	case inJudgements:
		if in.node != allNodes {
			in.judgements = []Judgement{{
				Node: s.fleet.nodes[in.node].name, Model: args["model"], Alarm: args["alarm"], Reason: args["reason"], Suspected: flags["suspected"],
			}}
		}
	case "rerun-end":
		in.kind, in.rerun = inRerunEnd, RerunConfirm
	case inAnswers:
		for _, a := range strings.Split(args["list"], "") {
			o := route.Outcome{Began: s.now, FirstToken: 400 * time.Millisecond}
			switch a {
			case "x":
				o.FirstToken, o.Failed = 0, true
			case "s":
				o.FirstToken = 4 * time.Second
			}
			in.outcomes = append(in.outcomes, o)
		}
	case inState, inStart:
		k := persisted{}
		if in.kind == inState {
			k = s.fleet.nodes[in.node].kept
		}
		wanted := s.fleet.nodes[in.node].wanted
		switch {
		case args["promote"] != "":
			k.Override = &Override{Model: model(args["promote"]), Why: OverridePromoted, Replaces: wanted, Run: "run-1"}
			if args["replaces"] != "" {
				k.Override.Replaces = model(args["replaces"])
			}
			k.Override.Told = flags["told"]
			if args["previous"] != "" {
				m := model(args["previous"])
				k.Override.Previous = &m
			}
			k.Trial = &Trial{Since: s.now, FirstToken: time.Second, ErrorRate: 0.01, Watch: 20}
		case args["restore"] != "":
			k.Restore = &Note{model(args["restore"]), s.now}
			k.Attempts, _ = strconv.Atoi(cmp.Or(args["attempts"], "0"))
		case args["good"] != "":
			m := model(args["good"])
			k.LastKnownGood, k.VRAMShare = &m, 0
			if args["share"] != "" {
				k.VRAMShare, _ = strconv.ParseFloat(args["share"], 64)
			}
			k.Attempts, _ = strconv.Atoi(cmp.Or(args["attempts"], "0"))
		case !flags["unchanged"]:
			k.Override, k.Trial, k.Restore = nil, nil, nil
		}
		in.kept = map[int]persisted{in.node: k}
		if d, err := time.ParseDuration(args["usual"]); err == nil {
			in.usual = map[int]time.Duration{in.node: d}
		}
	}
	return nil
}

// well answers every operation that is due on a node as a node that is well.
func (s *script) well(node int) (string, error) {
	var out strings.Builder
	for range 12 {
		n := &s.fleet.nodes[node]
		in := input{kind: cmp.Or(n.next.kind, opProbe), node: node, revision: n.next.revision}
		if n.next.at.After(s.now) {
			s.now = n.next.at
		}
		in.began, in.at = s.now, s.now
		if in.kind == opQuestions {
			in.right, in.graded = 3, 3
		}
		in.snapshot = snapshotOf(map[string]string{"loaded": cmp.Or(n.goal().Name, "good")}, nil)
		out.WriteString(s.step(in))
		if next := s.fleet.nodes[node].next; next.kind == opProbe && next.at.After(s.now) {
			return out.String(), nil
		}
	}
	return "", errors.New("does not come to rest")
}

func snapshotOf(args map[string]string, flags map[string]bool) nodes.Snapshot {
	snap := nodes.Snapshot{LoadedUnknown: flags["unknown"], ReadOnly: flags["readonly"]}
	for _, name := range strings.Split(cmp.Or(args["disk"], "good,other"), ",") {
		file := nodes.File{Name: name, Digest: cmp.Or(args["file"], args["digest"], "d-"+name)}
		if flags["nofiledigest"] {
			file.Digest = ""
		}
		snap.OnDisk = append(snap.OnDisk, file)
	}
	if args["loaded"] == "" {
		return snap
	}
	for _, name := range strings.Split(args["loaded"], ",") {
		inst := nodes.Instance{
			ID: name, Model: name, Digest: cmp.Or(args["digest"], "d-"+name), Settings: settingsOf(args["settings"]),
			Loading: flags["loading"], Stopping: flags["stopping"], Sleeping: flags["asleep"],
		}
		if flags["nodigest"] {
			inst.Digest = ""
		}
		if args["expired"] != "" {
			inst.Expires, _ = time.Parse(time.RFC3339, args["expired"])
		}
		if args["gpu"] != "" {
			gpu, _ := strconv.ParseInt(args["gpu"], 10, 64)
			inst.Size, inst.VRAM = 100, gpu
		}
		snap.Loaded = append(snap.Loaded, inst)
	}
	return snap
}
