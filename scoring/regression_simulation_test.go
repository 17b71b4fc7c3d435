package scoring

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
)

// simulatedBox is a machine with a model, as a model of noise: a task is passed
// with a probability that follows from the model's ability and the task's
// difficulty; the repeats of a task within a run have something in common; a
// run's latencies have its circumstances in common.
type simulatedBox struct {
	name                     string
	ability, difficulty, own float64 // in logits: mean, and standard deviations over tasks
	alike                    float64 // correlation of a task's repeats within a run
	call, run                float64 // standard deviations of log latency, of a call and of a run
	busy, slowdown           float64 // share of busy runs, and what they multiply latency with
	errors                   float64
}

var (
	steadyBox  = simulatedBox{"steady", 11, 20, 5, 0.9, 0.10, 0.02, 0.01, 1.3, 0.005}
	typicalBox = simulatedBox{"typical", 1.37, 2, 0.8, 0.3, 0.25, 0.05, 0.03, 1.4, 0.01}
	noisyBox   = simulatedBox{"noisy", 0.4, 1, 0.8, 0.3, 0.40, 0.08, 0.05, 1.6, 0.03}
)

// meanLatency of a task, in seconds: with it the mean composites come out as the
// promises assume.
const meanLatency = 2.85

// repetitions is how often a simulation is repeated: as often as the claim asks
// for where JARVIS_FULL is 1, else a tenth of that, with the same seeds each
// time.
func repetitions(full int) int {
	if os.Getenv("JARVIS_FULL") == "1" {
		return full
	}
	return full / 10
}

// slack is what a share may miss its claim by, in so many repetitions: nothing
// in a full simulation, else three standard errors.
func slack(share float64, repetitions int) float64 {
	if os.Getenv("JARVIS_FULL") == "1" {
		return 0
	}
	return 3 * math.Sqrt(share*(1-share)/float64(repetitions))
}

// bench is one suite on one box, drawn once.
type bench struct {
	box    simulatedBox
	rng    *rand.Rand
	cycles int
	logits []float64
	length []float64
	names  []string
	n      int
	// limits are the tasks' chances as normal deviates, after a loss of ability.
	limits  []float64
	ability float64
}

func (box simulatedBox) bench(seed uint64, cycles int) *bench {
	b := &bench{box: box, rng: rand.New(rand.NewPCG(seed, 4711)), cycles: cycles}
	total := 0.0
	for i := range 40 {
		b.logits = append(b.logits, box.ability+box.difficulty*b.rng.NormFloat64()+box.own*b.rng.NormFloat64())
		b.length = append(b.length, math.Exp(0.5*b.rng.NormFloat64()))
		b.names = append(b.names, fmt.Sprintf("task %d", i))
		total += b.length[i]
	}
	for i := range b.length {
		b.length[i] *= meanLatency * 40 / total
	}
	return b
}

// change is what happens to the model: logits of ability lost, latency and
// errors multiplied and added.
type change struct{ ability, latency float64 }

func (b *bench) observe(c change) Observation {
	b.n++
	tests := make([]Test, 0, 40*b.cycles)
	speed := math.Exp(b.box.run*b.rng.NormFloat64()) * (1 + c.latency)
	if b.rng.Float64() < b.box.busy {
		speed *= b.box.slowdown
	}
	limits := b.limitsAfter(c.ability)
	shared, single := math.Sqrt(b.box.alike), math.Sqrt(1-b.box.alike)
	for i, name := range b.names {
		limit := limits[i]
		task := shared * b.rng.NormFloat64()
		for cycle := range b.cycles {
			test := Test{Task: name, Cycle: cycle, Outcome: Answered, Passed: task+single*b.rng.NormFloat64() < limit}
			latency := b.length[i] * speed * math.Exp(b.box.call*b.rng.NormFloat64())
			if b.rng.Float64() < 0.01 {
				latency *= 3
			}
			test.Latency = time.Duration(latency * float64(time.Second))
			if b.rng.Float64() < b.box.errors {
				test.Outcome, test.Passed = Failed, false
			}
			tests = append(tests, test)
		}
	}
	return Observation{ID: fmt.Sprint(b.n), Time: time.Unix(int64(b.n)*3600, 0), Model: "m", Version: "1", Tests: tests}
}

// limitsAfter returns the tasks' chances of being passed as normal deviates,
// after a loss of ability.
func (b *bench) limitsAfter(ability float64) []float64 {
	if b.limits == nil || ability != b.ability {
		b.limits, b.ability = nil, ability
		for _, logit := range b.logits {
			p := 1 / (1 + math.Exp(ability-logit))
			b.limits = append(b.limits, normalQuantile(min(max(p, 1e-12), 1-1e-12)))
		}
	}
	return b.limits
}

// level is the composite that the bench means, after a loss of ability.
func (b *bench) level(ability float64) float64 {
	pass := 0.0
	for _, logit := range b.logits {
		pass += 1 / (1 + math.Exp(ability-logit))
	}
	answered := 1 - b.box.errors
	return 6*pass/40*answered + answered + 0.3*(10-meanLatency)
}

// loss is the ability whose loss costs that share of the composite.
func (b *bench) loss(share float64) float64 {
	low, high := 0.0, 200.0
	for range 60 {
		if middle := (low + high) / 2; b.level(middle) > (1-share)*b.level(0) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// rule is a way to notice a regression: told each run, it says whether it
// raises an alarm, and whether it wants a run at once to confirm.
type rule interface {
	add(Observation) (alarm, rerun bool)
}

// watchRule is the rule of this package.
type watchRule struct{ w *watch }

func (r watchRule) add(o Observation) (alarm, rerun bool) {
	before := len(r.w.alarms)
	r.w.add(&o)
	return len(r.w.alarms) > before, r.w.rerun()
}

// naiveRule is "more than 10 % below the run before"; or, with two, "two
// consecutive runs, both more than 10 % below the run before them"; or, with
// literal, "two consecutive runs, each more than 10 % below its own".
type naiveRule struct {
	two, literal bool
	scores       []float64
}

func (r *naiveRule) add(o Observation) (alarm, rerun bool) {
	r.scores = append(r.scores, Default().Score(Measure(o.Tests)).Composite)
	n := len(r.scores)
	below := func(run, than int) bool { return than >= 0 && r.scores[run] < 0.9*r.scores[than] }
	switch {
	case r.literal:
		return below(n-1, n-2) && below(n-2, n-3), false
	case r.two:
		return n > 2 && below(n-1, n-3) && below(n-2, n-3), false
	}
	return below(n-1, n-2), false
}

// plainRule is the rule for rows without single results.
type plainRule struct{ w *plainWatch }

func (r plainRule) add(o Observation) (alarm, rerun bool) {
	before := len(r.w.report.Alarms)
	sample := Measure(o.Tests)
	r.w.add(PlainRow{
		Time: o.Time, Score: Default().Score(sample).Composite, PassRate: 100 * float64(sample.Passed) / float64(sample.Tests),
		Latency: sample.Latency, Tests: sample.Tests, Errors: sample.Errors,
	})
	return len(r.w.report.Alarms) > before, false
}

var rules = []struct {
	name  string
	fresh func() rule
}{
	{"> 10 % below the run before", func() rule { return &naiveRule{} }},
	{"two in a row, each below its own predecessor", func() rule { return &naiveRule{literal: true} }},
	{"two in a row, below the run before them", func() rule { return &naiveRule{two: true} }},
	{"two in a row, below the median of 20 (PlainRegressions)", func() rule { return plainRule{newPlainWatch()} }},
	{"Regressions", func() rule { return watchRule{newWatch(Default())} }},
}

// falseAlarms runs all rules on the same runs, where nothing changes, and counts
// per 1,000 runs after the first warm ones. Reruns are those that Regressions
// asks for; they are runs like all others.
func falseAlarms(box simulatedBox, cycles, warm, streams, length int) (alarms []float64, reruns float64) {
	type count struct {
		alarms [5]int
		reruns int
	}
	work := pool.NewWithResults[count]().WithMaxGoroutines(2)
	for stream := range streams {
		work.Go(func() (c count) {
			b := box.bench(uint64(stream), cycles)
			var list []rule
			for _, r := range rules {
				list = append(list, r.fresh())
			}
			for i := range warm + length {
				o := b.observe(change{})
				for k, r := range list {
					alarm, rerun := r.add(o)
					if i >= warm && alarm {
						c.alarms[k]++
					}
					if i >= warm && rerun {
						c.reruns++
					}
				}
			}
			return c
		})
	}
	alarms = make([]float64, len(rules))
	per := 1000 / float64(streams*length)
	for _, c := range work.Wait() {
		for k, n := range c.alarms {
			alarms[k] += per * float64(n)
		}
		reruns += per * float64(c.reruns)
	}
	return alarms, reruns
}

// found runs a rule for 30 runs, then changes the model, and says at which bad
// run the alarm came, a rerun belonging to the run that asked for it: the
// shares within so many runs.
func found(box simulatedBox, cycles, warm, streams int, what func(*bench) change, fresh func() rule, within ...int) []float64 {
	work := pool.NewWithResults[int]().WithMaxGoroutines(2)
	for stream := range streams {
		work.Go(func() int {
			b, r := box.bench(1_000_000+uint64(stream), cycles), fresh()
			_, rerun := false, false
			for i := 0; i < warm || rerun; i++ {
				_, rerun = r.add(b.observe(change{}))
			}
			bad := what(b)
			for i := 1; i <= 20; i++ {
				alarm, rerun := r.add(b.observe(bad))
				if rerun && !alarm {
					alarm, _ = r.add(b.observe(bad))
				}
				if alarm {
					return i
				}
			}
			return math.MaxInt
		})
	}
	shares := make([]float64, len(within))
	for _, at := range work.Wait() {
		for k, limit := range within {
			if at <= limit {
				shares[k] += 100 / float64(streams)
			}
		}
	}
	return shares
}

// fallOf is a loss of ability that costs that share of the composite.
func fallOf(share float64) func(*bench) change {
	return func(b *bench) change { return change{ability: b.loss(share)} }
}

// slowerBy is a latency longer by that share.
func slowerBy(share float64) func(*bench) change {
	return func(*bench) change { return change{latency: share} }
}

// The simulated boxes are what the rules' promises were calculated for: the
// mean composite and its standard deviation between runs say so.
func TestSimulatedBoxIsAsNoisyAsItShouldBe(t *testing.T) {
	for _, c := range []struct {
		box       simulatedBox
		cycles    int
		deviation float64
	}{
		{steadyBox, 5, 0.115}, {steadyBox, 2, 0.127},
		{typicalBox, 5, 0.213}, {typicalBox, 2, 0.277},
		{noisyBox, 5, 0.316}, {noisyBox, 2, 0.386},
	} {
		variance, mean := 0.0, 0.0
		suites := repetitions(300)
		for seed := range uint64(suites) {
			b := c.box.bench(seed, c.cycles)
			var scores series
			for range 30 {
				scores.add(Default().Score(Measure(b.observe(change{}).Tests)).Composite)
			}
			variance += scores.around() / 29 / float64(suites)
			mean += scores.mean() / float64(suites)
		}
		if deviation := math.Sqrt(variance); math.Abs(deviation/c.deviation-1) > 0.1 {
			t.Errorf("%s, %d tests: standard deviation of a run %.3f, want about %.3f", c.box.name, 40*c.cycles, deviation, c.deviation)
		} else {
			t.Logf("%-8s %3d tests: mean %.2f, standard deviation of a run %.3f", c.box.name, 40*c.cycles, mean, deviation)
		}
	}
}

// Where nothing changes, a typical box gives at most 3 false alarms in 1,000
// runs of the full suite.
func TestRegressionsFalseAlarms(t *testing.T) {
	for _, c := range []struct {
		box                   simulatedBox
		cycles, warm, streams int
		most                  float64
	}{
		{typicalBox, 5, 30, 1000, 3},
		{typicalBox, 2, 30, 600, 3},
		{typicalBox, 5, 4, 300, 4}, // with the least baseline at first
		{steadyBox, 5, 30, 200, 4},
		{noisyBox, 5, 30, 200, 6},
	} {
		streams := repetitions(c.streams)
		alarms, reruns := falseAlarms(c.box, c.cycles, c.warm, streams, 100)
		most := c.most + 1000*slack(c.most/1000, 100*streams)
		t.Logf("%s, %d tests, %d runs after %d: false alarms per 1,000 runs", c.box.name, 40*c.cycles, 100*streams, c.warm)
		for k, r := range rules {
			t.Logf("  %6.2f  %s", alarms[k], r.name)
		}
		t.Logf("  %6.1f  reruns per 1,000 runs that Regressions asks for", reruns)
		if last := alarms[len(alarms)-1]; last > most {
			t.Errorf("%s, %d tests: %.2f false alarms per 1,000 runs, want at most %.2f", c.box.name, 40*c.cycles, last, most)
		}
	}
}

// A tenth of the composite lost through quality is found at the first run, with
// its confirming rerun, in three cases of four, and nearly always within five;
// half the speed within three.
func TestRegressionsFound(t *testing.T) {
	us := rules[len(rules)-1].fresh
	for _, c := range []struct {
		name                  string
		box                   simulatedBox
		cycles, warm, streams int
		what                  func(*bench) change
		first, three, five    float64 // at least, in per cent
	}{
		{"-10 % by quality", typicalBox, 5, 30, 2000, fallOf(0.1), 75, 0, 97},
		{"-10 % by quality", typicalBox, 2, 30, 600, fallOf(0.1), 0, 0, 95},
		{"-20 % by quality", typicalBox, 5, 30, 300, fallOf(0.2), 99, 0, 99},
		{"-5 % by quality", typicalBox, 5, 30, 600, fallOf(0.05), 0, 0, 50},
		{"half the speed", typicalBox, 5, 30, 600, slowerBy(1), 97, 99, 99},
		{"half the speed", typicalBox, 2, 30, 600, slowerBy(1), 0, 99, 99},
		{"half the speed, 5 runs before it", typicalBox, 5, 5, 600, slowerBy(1), 0, 95, 95},
		{"-10 % by quality", steadyBox, 5, 30, 300, fallOf(0.1), 95, 0, 99},
		{"-10 % by quality", noisyBox, 5, 30, 300, fallOf(0.1), 30, 0, 85},
	} {
		streams := repetitions(c.streams)
		got := found(c.box, c.cycles, c.warm, streams, c.what, us, 1, 3, 5, 20)
		least := func(claim float64) float64 { return claim - 100*slack(claim/100, streams) }
		t.Logf("%-8s %3d tests, %-33s found at the first run %5.1f %%, within 3 %5.1f %%, within 5 %5.1f %%, within 20 %5.1f %%",
			c.box.name, 40*c.cycles, c.name+":", got[0], got[1], got[2], got[3])
		if got[0] < least(c.first) || got[1] < least(c.three) || got[2] < least(c.five) {
			t.Errorf("%s, %d tests, %s: found %.1f %% at the first run, %.1f within 3, %.1f within 5; want %.1f, %.1f, %.1f",
				c.box.name, 40*c.cycles, c.name, got[0], got[1], got[2], least(c.first), least(c.three), least(c.five))
		}
	}
	for _, r := range rules[:len(rules)-1] {
		got := found(typicalBox, 5, 30, repetitions(500), fallOf(0.1), r.fresh, 1, 5, 20)
		t.Logf("for comparison, -10 %% by quality: %5.1f / %5.1f / %5.1f %% at 1, 5, 20  %s", got[0], got[1], got[2], r.name)
	}
}
