package arena

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

// TestNext runs the transcripts in testdata: each command adds to a session what
// happened in it, and the answer is all that next says about it. "go test -run
// TestNext ./arena -rewrite" rewrites the answers.
//
//	session tasks=10 cap=40 before=10 after=10 …   begin a session
//	evidence runs=4 pass=70                        runs of the champion's own that count
//	tests before n=10 pass=70 …                    tests of a block, from the next place on
//	decide                                         apply what next decides, up to other work
//	play before=70 candidate=90 …                  do all that next says: models that pass so many in 100
//	loaded | checked | gone | lost | …             what the work on the node brought
//	journal [cut]                                  lines of a journal, the last one cut off
//	state                                          what the session says of itself
func TestNext(t *testing.T) {
	datadriven.Walk(t, "testdata/next", func(t *testing.T, path string) {
		var w world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return w.run(t, d) })
	})
}

// world is the session of one transcript.
type world struct{ *progress }

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "session":
		return w.session(t, d)
	case "evidence":
		return w.evidence(t, d)
	case "tests":
		w.tests(t, d, arg(t, d, "n", 1))
	case "decide":
		return w.decide(d.HasArg("quiet"))
	case "play":
		return w.play(t, d)
	case "state":
		return w.state()
	case "journal":
		text := d.Input
		if text != "" && !d.HasArg("cut") {
			text += "\n"
		}
		p, restored, err := parseJournal([]byte(text))
		if err != nil {
			return err.Error()
		}
		w.progress = p
		w.weights = scoring.Default()
		if restored {
			return "restored\n" + w.say(w.next())
		}
	default:
		w.happened(t, d)
		if s := w.next(); s.note != nil && s.note.Again != nil {
			w.apply(*s.note)
			return w.say(s) + "\n" + w.say(w.next())
		}
	}
	return w.say(w.next())
}

func arg(t *testing.T, d *datadriven.TestData, name string, usual int) int {
	t.Helper()
	value := usual
	d.MaybeScanArgs(t, name, &value)
	return value
}

func word(t *testing.T, d *datadriven.TestData, name, usual string) string {
	t.Helper()
	value := usual
	d.MaybeScanArgs(t, name, &value)
	return strings.ReplaceAll(value, "_", " ")
}

func (w *world) session(t *testing.T, d *datadriven.TestData) string {
	s := session{
		ID: "s1", Node: "M1", Champion: nodes.Model{Name: "old"}, Candidate: nodes.Model{Name: "new"},
		Tasks: arg(t, d, "tasks", 10), Cap: arg(t, d, "cap", 40), Before: arg(t, d, "before", 20), After: arg(t, d, "after", 10),
		Method: Method(word(t, d, "method", string(MethodPaired))), Parallel: arg(t, d, "parallel", 1),
		Strict: d.HasArg("strict"), SelfTest: d.HasArg("self-test"), FieldTasks: arg(t, d, "field-tasks", 5),
	}
	if d.HasArg("stored") {
		stored := float64(arg(t, d, "stored", 0)) / 100
		s.Stored = &stored
	}
	if d.HasArg("field") {
		s.Candidate = nodes.Model{}
		for i := range arg(t, d, "field", 0) {
			s.Field = append(s.Field, nodes.Model{Name: string(rune('a' + i))})
		}
	}
	w.progress = newProgress(s)
	w.weights = scoring.Default()
	if runs := arg(t, d, "runs", 0); runs > 0 {
		w.history = w.runs(runs, arg(t, d, "pass", 70))
	}
	if d.HasArg("cycles") {
		cycles := arg(t, d, "cycles", 0)
		w.Cap = cycles * w.Tasks
		w.size(cycles)
	}
	return w.say(w.next())
}

// runs are runs of the champion's own, two cycles each, one slower than the
// other.
func (w *world) runs(count, pass int) [][]scoring.Test {
	var list [][]scoring.Test
	for run := range count {
		var tests []scoring.Test
		for place := range 2 * w.Tasks {
			tests = append(tests, w.test(place, run, pass, time.Second+time.Duration(run)*800*time.Millisecond))
		}
		list = append(list, tests)
	}
	return list
}

func (w *world) evidence(t *testing.T, d *datadriven.TestData) string {
	w.history = w.runs(arg(t, d, "runs", 4), arg(t, d, "pass", 70))
	return w.say(w.next())
}

// test is the test at a place of a model that passes so many in 100: the same
// tasks each time, but for one in ten, which luck decides.
func (w *world) test(place, luck, pass int, latency time.Duration) scoring.Test {
	task, cycle := place%w.Tasks, place/w.Tasks
	passes := (task*37+11)%100 < pass
	if (task*7+cycle*3+luck)%10 == 0 {
		passes = !passes
	}
	spread := time.Duration((task*13+cycle*5+luck*7)%20) * latency / 100
	return scoring.Test{
		Task: fmt.Sprintf("t%02d", task), Domain: "d", Cycle: cycle, Outcome: scoring.Answered, Passed: passes, Latency: latency + spread,
	}
}

// tests applies tests of a block: so many in 100 pass, or all of them get no
// answer.
func (w *world) tests(t *testing.T, d *datadriven.TestData, n int) {
	b := block(d.CmdArgs[0].Key)
	index := arg(t, d, "index", 0)
	for range n {
		w.add(b, index, arg(t, d, "pass", 70), arg(t, d, "ms", 1000), d.HasArg("silent"))
	}
}

func (w *world) add(b block, index, pass, ms int, silent bool) {
	place, luck := 0, 0
	switch b {
	case blockBefore:
		place = len(w.before)
	case blockCandidate:
		place, luck = len(w.candidate), 5
	case blockAfter:
		place, luck = w.Before+len(w.after), 1
	case blockField:
		if w.has(index) {
			place = len(w.field[index].tests)
		}
	}
	test := w.test(place, luck, pass, time.Duration(ms)*time.Millisecond)
	if silent {
		test.Outcome, test.Passed = scoring.Failed, false
	}
	w.apply(entry{Test: &testEntry{b, index, test}})
}

// happened applies what the work on the node brought.
func (w *world) happened(t *testing.T, d *datadriven.TestData) {
	why := word(t, d, "why", "refused")
	index := arg(t, d, "index", 0)
	b := batch{block: block(word(t, d, "block", string(blockCandidate))), index: index}
	if b.block != blockField || w.has(index) {
		b = w.batch(b.block, index)
	}
	switch d.Cmd {
	case "loaded":
		w.apply(entry{Loaded: &b})
	case "checked":
		w.apply(entry{Checked: &checkEntry{}})
	case "gone":
		w.apply(entry{Checked: &checkEntry{failing(d, why)}})
	case "lost":
		w.apply(entry{Lost: &lostEntry{b, failing(d, why)}})
	case "out":
		w.apply(entry{Out: &outEntry{index, why}})
	case "chosen":
		w.apply(entry{Chosen: &index})
	case "failure":
		w.apply(entry{Failure: why})
	case "unsteady":
		w.apply(entry{Unsteady: &unsteadyEntry{Candidate, why}})
	default:
		d.Fatalf(t, "no such command: %s", d.Cmd)
	}
}

// failing is why a model can't go on: by itself, because the server is not ready, or
// because it does not answer.
func failing(d *datadriven.TestData, why string) error {
	switch {
	case d.HasArg("server"):
		return fmt.Errorf("%w: %s", errAway, why)
	case d.HasArg("mute"):
		return errMute
	}
	return errors.New(why)
}

// decide applies the decisions of next, and says what follows.
func (w *world) decide(quiet bool) string {
	var lines []string
	for {
		s := w.next()
		if !quiet || s.note != nil {
			lines = append(lines, w.say(s))
		}
		if s.note == nil {
			return strings.Join(lines, "\n")
		}
		w.apply(*s.note)
	}
}

// play does what next says to the end, or as many steps as are given.
func (w *world) play(t *testing.T, d *datadriven.TestData) string {
	share := func(b batch) int {
		if b.block == blockField {
			return arg(t, d, b.model.Name, 50)
		}
		return arg(t, d, string(b.block), arg(t, d, b.model.Name, 70))
	}
	var lines []string
	var asked batch
	flush := func() {
		if asked.to > asked.from {
			lines = append(lines, fmt.Sprintf("ask %s %d..%d %s", asked.block, asked.from, asked.to, asked.model.Name))
		}
		asked = batch{}
	}
	for range 2000 {
		s := w.next()
		if s.ask == nil {
			flush()
			lines = append(lines, w.say(s))
			switch {
			case s.note != nil:
				w.apply(*s.note)
				continue
			}
			return strings.Join(lines, "\n")
		}
		b := *s.ask
		if b.block != asked.block || b.index != asked.index || b.from != asked.to {
			flush()
			asked = b
		}
		asked.to = b.to
		for range b.to - b.from {
			w.add(b.block, b.index, share(b), arg(t, d, "ms-"+string(b.block), 1000), false)
		}
	}
	return "it does not end"
}

func (w *world) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tests %d of %d (field %d), loads %d, before %d, cap %d, after %d, finds %.2f\n", w.progress.tests(), w.most(), w.fieldMost(), w.loads(), w.Before, w.Cap, w.After, w.smallest())
	fmt.Fprintf(&b, "%s against %s, at the latest look after %d tests\n", w.challengers(), w.Champion.Name, w.seen())
	if s := w.next(); s.end != nil {
		fmt.Fprintln(&b, s.end)
	}
	for _, i := range w.ranked() {
		e := w.field[i]
		fmt.Fprintf(&b, "%s: %d tests%s\n", e.model.Name, len(e.tests), prefixed(", out: ", e.out))
	}
	for _, role := range slices.Sorted(maps.Keys(w.unsteady)) {
		fmt.Fprintf(&b, "unsteady %s: %s\n", role, w.unsteady[role])
	}
	return b.String()
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// say writes a step as one line.
func (w *world) say(s step) string {
	where := func(b batch) string {
		text := fmt.Sprintf("%s %d..%d %s", b.block, b.from, b.to, b.model.Name)
		if b.reload {
			text += ", loaded again"
		}
		return text
	}
	switch {
	case s.ask != nil:
		return "ask " + where(*s.ask)
	case s.check != nil:
		return fmt.Sprintf("check %s %s", s.check.block, s.check.model.Name)
	case s.abort != nil:
		return "abort: " + s.abort.Error()
	case s.end != nil:
		return strings.Join(append([]string{"end " + s.end.String()}, w.notes()...), "; ")
	}
	switch e := s.note; {
	case e.Look != nil:
		return "look " + judgement(*e.Look)
	case e.Confirm != nil:
		return "confirm " + judgement(*e.Confirm)
	case e.Failure != "":
		return "failure: " + e.Failure
	case e.Out != nil:
		return fmt.Sprintf("out %d: %s", e.Out.Index, e.Out.Why)
	case e.Again != nil:
		return fmt.Sprintf("again the latest %d of %s", e.Again.Tests, e.Again.Block)
	case e.Chosen != nil:
		return fmt.Sprintf("chosen %d", *e.Chosen)
	}
	return fmt.Sprintf("?? %+v", s)
}

func judgement(l scoring.Look) string {
	text := fmt.Sprintf("%s after %d tests on %d tasks: %s, z %.2f of %.2f", l.Verdict, l.Tests, l.Tasks, gapText(l), l.Z, l.Upper)
	if l.Rerun {
		text += ", by reruns"
	}
	if len(l.Guards) > 0 {
		text += ", but " + strings.Join(l.Guards, " and ")
	}
	return text
}

// TestNextRound: figures are shown with two decimals, and none as minus zero.
func TestNextRound(t *testing.T) {
	for figure, want := range map[float64]string{1.005: "+1.01", -0.004: "+0.00", 0.004: "+0.00", -1.5: "-1.50", math.NaN(): "+0.00"} {
		if got := fmt.Sprintf("%+.2f", round(figure)); got != want {
			t.Errorf("%v is shown as %s, want %s", figure, got, want)
		}
	}
}

// TestNoExcessIsNotTold: an excess that would be shown as 0.00 is left out.
func TestNoExcessIsNotTold(t *testing.T) {
	for z, told := range map[float64]bool{2: true, 9: false} {
		p := progress{judged: &scoring.Look{Verdict: scoring.Promote, Estimate: 1, Low: 0.5, High: 1.5, Error: 0.2, Z: z, Upper: 2}}
		if got := p.outcome().reason; strings.Contains(got, "too high") != told {
			t.Errorf("z %.0f: %s", z, got)
		}
	}
}

// A node whose speed drifts from run to run finds smaller gaps where the champion is
// measured after the candidate, too.
func TestNextFindsSmallerGapsWithASecondBlock(t *testing.T) {
	finds := func(after int) float64 {
		w := world{newProgress(session{Tasks: 10, Cap: 40, Before: 10, After: after, Method: MethodPaired})}
		w.weights = scoring.Default()
		w.history = w.runs(6, 70)
		return w.smallest()
	}
	if with, without := finds(10), finds(0); with <= 0 || with >= without {
		t.Errorf("a gap of %.2f with a second block, of %.2f without", with, without)
	}
}
