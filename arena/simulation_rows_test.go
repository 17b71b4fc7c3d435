package arena

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena/internal/simulation"
)

// claim is what is said of a simulated tournament, in percent and in tests.
type claim struct {
	simulated
	// least and most are the least and the greatest share of promotions.
	least, most float64
	// tests is the greatest mean number of the candidate's tests, 0 for any.
	tests float64
	// worst rows are played in each test run, the others with JARVIS_FULL=1.
	worst bool
}

// falsePromotions is the greatest share of equal candidates that are promoted.
const falsePromotions = 7

// covered is the least share of the intervals of the gap, on these tasks and on other
// ones, that hold the true one.
const covered = 94

// worlds are those of unequal tasks.
func worlds() []simulation.World {
	return []simulation.World{
		simulation.Typical(), simulation.Calm(), simulation.Life(), simulation.Ceiling(), simulation.Identical(), simulation.Tails(),
		simulation.Drifting("20 % slower in 120 tests", 1.2, 120), simulation.Drifting("20 % faster in 120 tests", 0.8, 120),
		faster(), simulation.Visited(), simulation.Busy(), simulation.Bursting("bursts of 10", 10), simulation.Bursting("bursts of 30", 30),
	}
}

func faster() simulation.World { return simulation.Drifting("20 % faster in 60 tests", 0.8, 60) }

func alike(percent int) simulation.World {
	return simulation.Alike(fmt.Sprintf("all tasks alike, %d %% right", percent), float64(percent)/100)
}

// equal is the claim that few of the candidates are promoted that are equal.
func equal(worst bool, s simulated) claim { return claim{s, 0, falsePromotions, 0, worst} }

// equals are the claims about equal candidates on 40 tasks.
func equals() []claim {
	var list []claim
	for _, percent := range []int{50, 65, 75, 85, 90, 95, 97, 99} {
		for _, runs := range []int{0, 4, 5, 10} {
			list = append(list,
				equal(percent == 50 && runs == 5 || percent == 95 && runs == 4, simulated{world: alike(percent), runs: runs}),
				equal(percent == 50 && runs == 5, simulated{world: alike(percent), runs: runs, cycles: 2}))
		}
	}
	for _, w := range worlds() {
		for _, runs := range []int{0, 5} {
			list = append(list,
				equal(w.Name == "typical" && runs == 5, simulated{world: w, runs: runs}),
				equal(false, simulated{world: w, runs: runs, cycles: 2}))
		}
	}
	for _, w := range []simulation.World{alike(95), alike(65), simulation.Calm()} {
		for _, runs := range []int{0, 5} {
			list = append(list, equal(false, simulated{world: w, runs: runs, selfTest: true}))
		}
	}
	for _, other := range []float64{-0.5, 0.5} {
		for _, w := range []simulation.World{simulation.Typical(), simulation.Calm(), simulation.Life()} {
			list = append(list, equal(w.Name == "life" && other < 0, simulated{world: w, runs: 5, other: other}))
		}
	}
	return list
}

// sizes are the claims about equal candidates on other numbers of tasks, and about
// fields of them.
func sizes() []claim {
	var list []claim
	for _, tasks := range []int{5, 10, 20, 80} {
		for _, w := range []simulation.World{simulation.Typical(), simulation.Calm(), simulation.Life(), simulation.Ceiling(), alike(95)} {
			for _, runs := range []int{0, 5} {
				list = append(list,
					equal(w.Name == "life" && runs == 5 && tasks == 20, simulated{world: w, runs: runs, tasks: tasks}),
					equal(false, simulated{world: w, runs: runs, tasks: tasks, cycles: 2}))
			}
		}
	}
	for _, tasks := range []int{20, 40, 80} {
		for _, field := range []int{3, 8, 16} {
			for _, runs := range []int{0, 5} {
				list = append(list, equal(tasks == 40 && field == 16 && runs == 0, simulated{world: simulation.Calm(), field: field, runs: runs, tasks: tasks}))
			}
		}
	}
	return list
}

// powers are the claims about better candidates.
func powers() []claim {
	var list []claim
	add := func(worst bool, least, tests float64, s simulated) {
		list = append(list, claim{s, least, 100, tests, worst})
	}
	add(false, 85, 0, simulated{world: simulation.Calm(), gap: 0.5, runs: 5})
	add(true, 85, 0, simulated{world: simulation.Life(), gap: 0.5, runs: 5})
	add(false, 85, 0, simulated{world: simulation.Bursting("bursts of 10", 10), gap: 0.5, runs: 5})
	add(false, 85, 0, simulated{world: simulation.Bursting("bursts of 30", 30), gap: 0.5, runs: 5})
	add(false, 85, 0, simulated{world: faster(), gap: 0.5, runs: 5})
	add(true, 85, 0, simulated{world: simulation.Busy(), gap: 0.5, runs: 5})
	add(false, 75, 0, simulated{world: simulation.Typical(), gap: 0.5, runs: 5})
	add(false, 48, 0, simulated{world: simulation.Typical(), gap: 0.5})
	add(false, 58, 0, simulated{world: simulation.Life(), gap: 0.5})
	add(true, 70, 0, simulated{world: simulation.Calm(), gap: 0.5})
	add(true, 97, 70, simulated{world: simulation.Typical(), gap: 1, runs: 5})
	add(false, 88, 70, simulated{world: simulation.Typical(), gap: 1})
	// Nothing is claimed of these; they show by how much a winner's gap is too high.
	for _, w := range []simulation.World{simulation.Typical(), simulation.Calm()} {
		for _, runs := range []int{0, 5} {
			for _, gap := range []float64{-0.5, 0.25} {
				add(false, 0, 0, simulated{world: w, gap: gap, runs: runs})
			}
		}
	}
	return list
}

// TestWhatTournamentsAchieve holds 1,000 tournaments for each claim where
// JARVIS_FULL is 1, and prints the table of them:
//
//	JARVIS_FULL=1 go test -v -run TestWhatTournamentsAchieve ./arena
//
// JARVIS_ROWS limits it to the rows whose names contain a text, JARVIS_SEED draws other
// tournaments. An interval may miss its 94 % by three standard errors of its row. Without JARVIS_FULL
// it holds 150 for each of the worst rows, which may miss their claim by three
// standard errors.
func TestWhatTournamentsAchieve(t *testing.T) {
	number, only := 150, os.Getenv("JARVIS_ROWS")
	if full() {
		number = 1000
	}
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("JARVIS_SEED"), 10, 64); err == nil {
		seed = n
	}
	for _, c := range slices.Concat(equals(), sizes(), powers()) {
		if !full() && !c.worst || !strings.Contains(c.simulated.String(), only) {
			continue
		}
		f := sumUp(c.simulate(number, seed))
		t.Logf("%-70s %s", c.simulated, f)
		slack := func(percent float64) float64 {
			if full() {
				return 0
			}
			return 3 * math.Sqrt(percent*(100-percent)/float64(number))
		}
		if f.promoted < c.least-slack(c.least) || f.promoted > c.most+slack(c.most) {
			t.Errorf("%s: %.1f %% promoted, not %v to %v", c.simulated, f.promoted, c.least, c.most)
		}
		for name, i := range map[string]coverage{"the gap": f.gap, "the share of right answers": f.right} {
			if i.shown > 0 && i.percent() < covered-3*math.Sqrt(covered*(100-covered)/i.shown) {
				t.Errorf("%s: the interval of %s holds the true one in %.1f %%, want %v", c.simulated, name, i.percent(), float64(covered))
			}
		}
		if c.tests > 0 && full() && f.candidate > c.tests {
			t.Errorf("%s: %.1f tests on average, more than %v", c.simulated, f.candidate, c.tests)
		}
	}
}

func full() bool { return os.Getenv("JARVIS_FULL") == "1" }
