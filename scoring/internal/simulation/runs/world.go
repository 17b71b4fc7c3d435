// Package runs makes the runs of a model over weeks, on machines that exist on
// paper only: steady and noisy ones, weekdays, days of their own speed, bursts of
// errors, and the changes that a watch has to find.
//
// A [World] holds the assumptions, a [Bench] is one model with its tasks in it. The
// tests of this package have the figures judged by the code that ships, and print
// the table of what it finds and of how often it is wrong.
package runs

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"gonum.org/v1/gonum/mathext"

	"github.com/turbone/jarvis/scoring"
)

// World is how much the runs of a model vary where nothing changes.
type World struct {
	Name string
	// Tasks and Cycles are the size of a run; 0 stands for 40 tasks, 5 times each.
	Tasks, Cycles int
	// Right is the share of right answers, 0 for 0.85; Difficulty the standard
	// deviation over tasks, on the logistic scale: with 0 every task is alike.
	Right, Difficulty float64
	// Alike is the correlation of a task's repeats within a run; Common the standard
	// deviation between runs of the model's ability, on the logistic scale.
	Alike, Common float64
	// Call and Run are the standard deviations of the logarithm of the latency, from
	// test to test and from run to run.
	Call, Run float64
	// Day is the standard deviation of the logarithm of a day's speed, Kept its
	// autocorrelation from day to day. There are PerDay runs a day, 0 for one.
	Day, Kept float64
	PerDay    int
	// Weekday is by what share latencies are longer from Monday to Friday, Nightly by
	// what share the first run of a day is slower than the others.
	Weekday, Nightly float64
	// Busy is the share of runs that are slower by the factor Slowdown; in the share
	// Guest of the runs, a part of the tests is, for a second user.
	Busy, Slowdown, Guest float64
	// Tail is the share of answers that take five times as long.
	Tail float64
	// Errors is the share of tests without an answer, Lost that of tests lost in
	// bursts of Burst tests, 0 for 3 to 10.
	Errors, Lost float64
	Burst        int
	// Drawn says that the tasks are drawn from others like them, whose share of right
	// answers and latency are those of the world; else those of the tasks are.
	Drawn bool
	// Upgrade is the number of runs after which the engine gets another version, which
	// changes nothing; 0 for never.
	Upgrade int
	// BadDays is the share of days on which BadErrors of the tests get no answer.
	BadDays, BadErrors float64
}

// Typical is a machine as most are: unequal tasks, one test in a hundred without an
// answer, half of these in bursts, and a busy hour at times.
func Typical() World {
	return World{Name: "typical", Difficulty: 2, Call: 0.25, Run: 0.05, Busy: 0.03, Slowdown: 1.4, Errors: 0.005, Lost: 0.005}
}

// First is the machine of the first simulation, where the repeats of a task within a
// run have much in common.
func First() World {
	return World{Name: "repeats alike", Difficulty: 2.15, Right: 0.68, Alike: 0.3, Call: 0.25, Run: 0.05, Busy: 0.03, Slowdown: 1.4, Errors: 0.01}
}

// The meanings of the zero values.
const (
	usualTasks, usualCycles = 40, 5
	usualRight              = 0.85
	// seconds is the mean latency of a task, lengths the standard deviation of its
	// logarithm over tasks.
	seconds, lengths = 2.85, 0.5
	// outliers is the share of answers that take outlierSlower times as long in every
	// world.
	outliers, outlierSlower, tailSlower, guestSlower = 0.01, 3.0, 5.0, 1.5
)

func (w World) tasks() int {
	if w.Tasks > 0 {
		return w.Tasks
	}
	return usualTasks
}

func (w World) cycles() int {
	if w.Cycles > 0 {
		return w.Cycles
	}
	return usualCycles
}

// Change is what happens to a model: ability lost on the logistic scale, latency
// longer by a share, tests without an answer added as a share.
type Change struct{ Ability, Latency, Errors float64 }

// Bench is one model with its tasks.
type Bench struct {
	world  World
	random *rand.Rand
	names  []string
	logits []float64
	length []float64
	// day is the day's speed, of the day number on; n is the number of runs.
	day    float64
	number int
	n      int
	bad    bool
	// limits are the tasks' chances as normal deviates, after a loss of ability.
	limits  []float64
	ability float64
	order   []int
}

// New draws a model and its tasks.
func New(w World, seed uint64) *Bench {
	b := &Bench{world: w, random: rand.New(rand.NewPCG(seed, 4711)), number: -1}
	total := 0.0
	for i := range w.tasks() {
		b.names = append(b.names, "task-"+strconv.Itoa(i))
		b.logits = append(b.logits, w.Difficulty*b.random.NormFloat64())
		b.length = append(b.length, math.Exp(lengths*b.random.NormFloat64()))
		total += b.length[i]
		b.order = append(b.order, i)
	}
	if w.Drawn {
		total = math.Exp(lengths*lengths/2) * float64(w.tasks())
	}
	for i := range b.length {
		b.length[i] *= seconds * float64(w.tasks()) / total
	}
	right := w.right()
	population := b.logits
	if w.Drawn {
		population = nil
		for i := range 1000 {
			population = append(population, w.Difficulty*mathext.NormalQuantile((float64(i)+0.5)/1000))
		}
	}
	shift := solve(func(a float64) bool { return meanOf(population, a) < right })
	for i := range b.logits {
		b.logits[i] += shift
	}
	b.day = w.Day * b.random.NormFloat64()
	return b
}

// solve returns the least figure from -200 to 200 that below does not hold for.
func solve(below func(float64) bool) float64 {
	low, high := -200.0, 200.0
	for range 60 {
		if middle := (low + high) / 2; below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// meanOf is the mean chance of tasks for a model that is abler by a.
func meanOf(logits []float64, a float64) float64 {
	sum := 0.0
	for _, l := range logits {
		sum += 1 / (1 + math.Exp(-a-l))
	}
	return sum / float64(len(logits))
}

// level is the composite that the bench means, after a loss of ability.
func (b *Bench) level(ability float64) float64 {
	answered := 1 - b.world.Errors - b.world.Lost
	return answered*(6*meanOf(b.logits, -ability)+1) + 0.3*(10-seconds)
}

// Fall is the loss of ability that costs that share of the composite.
func (b *Bench) Fall(share float64) Change {
	return Change{Ability: solve(func(a float64) bool { return b.level(a) > (1-share)*b.level(0) })}
}

// Run makes the next run, its tests in the order in which they are asked: each
// cycle has an order of its own.
func (b *Bench) Run(c Change) scoring.Observation {
	w := b.world
	at := b.next()
	speed := b.luck() * (1 + c.Latency)
	ability := c.Ability
	if w.Common > 0 {
		ability -= w.Common * b.random.NormFloat64()
	}
	limits := b.limitsAfter(ability)
	latent := make([]float64, len(b.names))
	for i := range latent {
		latent[i] = b.random.NormFloat64()
	}
	shared, single := math.Sqrt(w.Alike), math.Sqrt(1-w.Alike)
	errors := w.Errors + c.Errors
	if b.bad {
		errors += w.BadErrors
	}
	total := len(b.names) * w.cycles()
	from, to := 0, 0 // the tests that a second user slows down
	if b.random.Float64() < w.Guest {
		from = b.random.IntN(total)
		to = from + total/2
	}
	tests := make([]scoring.Test, 0, total)
	lost := 0
	for cycle := range w.cycles() {
		b.random.Shuffle(len(b.order), func(i, j int) { b.order[i], b.order[j] = b.order[j], b.order[i] })
		for _, i := range b.order {
			t := scoring.Test{Task: b.names[i], Cycle: cycle, Outcome: scoring.Answered, Passed: shared*latent[i]+single*b.random.NormFloat64() < limits[i]}
			latency := b.length[i] * speed * b.call()
			if len(tests) >= from && len(tests) < to {
				latency *= guestSlower
			}
			t.Latency = time.Duration(latency * float64(time.Second))
			if lost == 0 && w.Lost > 0 && b.random.Float64() < w.Lost/b.burst() {
				lost = w.Burst
				if lost == 0 {
					lost = 3 + b.random.IntN(8)
				}
			}
			if lost > 0 || b.random.Float64() < errors {
				t.Outcome, t.Passed, t.Latency = scoring.Failed, false, 0
				lost = max(lost-1, 0)
			}
			tests = append(tests, t)
		}
	}
	version := 1
	if w.Upgrade > 0 {
		version += b.n / w.Upgrade
	}
	return scoring.Observation{ID: strconv.Itoa(b.n), Time: at, Model: "m", Version: strconv.Itoa(version), Tests: tests}
}

// luck is what the latencies of a run are multiplied with.
func (b *Bench) luck() float64 {
	w := b.world
	speed := math.Exp(b.day + w.Run*b.random.NormFloat64())
	if b.random.Float64() < w.Busy {
		speed *= w.Slowdown
	}
	if b.number%7 < 5 {
		speed *= 1 + w.Weekday
	}
	if w.Nightly > 0 && (b.n-1)%max(w.PerDay, 1) == 0 {
		speed *= 1 + w.Nightly
	}
	return speed
}

// call is what the latency of a test is multiplied with.
func (b *Bench) call() float64 {
	latency := math.Exp(b.world.Call * b.random.NormFloat64())
	if b.random.Float64() < outliers {
		latency *= outlierSlower
	}
	if b.world.Tail > 0 && b.random.Float64() < b.world.Tail {
		latency *= tailSlower
	}
	return latency
}

// burst is the mean length of a burst.
func (b *Bench) burst() float64 {
	if b.world.Burst > 0 {
		return float64(b.world.Burst)
	}
	return 6.5
}

// next begins a run, and a day where its time has come, and returns the time.
func (b *Bench) next() time.Time {
	w := b.world
	perDay := max(w.PerDay, 1)
	for b.n/perDay > b.number {
		b.number++
		b.day = w.Kept*b.day + math.Sqrt(1-w.Kept*w.Kept)*w.Day*b.random.NormFloat64()
		b.bad = b.random.Float64() < w.BadDays
	}
	hour := 3 + b.n%perDay*18/perDay
	b.n++
	// The 5th of January 2026 is a Monday.
	return time.Date(2026, 1, 5+b.number, hour, 0, 0, 0, time.UTC)
}

// Share is the share of right answers that the last run would have had on endless tasks
// like its own, each asked endlessly, without a burst. On a bad day it is that of the day.
func (b *Bench) Share() float64 {
	w := b.world
	errors := w.Errors
	if b.bad {
		errors += w.BadErrors
	}
	return w.right() * (1 - errors)
}

func (w World) right() float64 {
	if w.Right > 0 {
		return w.Right
	}
	return usualRight
}

// Again makes another run at once: the day's speed stays.
func (b *Bench) Again(c Change) scoring.Observation {
	b.n--
	o := b.Run(c)
	o.ID += "-again"
	o.Time = o.Time.Add(10 * time.Minute)
	return o
}

// limitsAfter returns the tasks' chances of being passed as normal deviates,
// after a loss of ability.
func (b *Bench) limitsAfter(ability float64) []float64 {
	if b.limits == nil || ability != b.ability {
		b.limits, b.ability = b.limits[:0], ability
		for _, logit := range b.logits {
			p := 1 / (1 + math.Exp(ability-logit))
			b.limits = append(b.limits, mathext.NormalQuantile(min(max(p, 1e-12), 1-1e-12)))
		}
	}
	return b.limits
}
