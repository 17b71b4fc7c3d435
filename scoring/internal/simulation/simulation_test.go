package simulation

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/scoring"
)

// The boxes vary as much as they are meant to: the standard deviation of one
// run's composite, of 200 tests and of 80.
func TestBoxes(t *testing.T) {
	tests := []struct {
		box         Box
		full, quick float64
	}{
		{Steady(), 0.115, 0.127},
		{Typical(), 0.213, 0.277},
		{Noisy(), 0.316, 0.386},
		{Managed(), 0.175, 0.262},
		{NoisyManaged(), 0.279, 0.370},
	}
	for _, test := range tests {
		t.Run(test.box.Name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			var all, full, quick []float64
			composites := func(m *Model, cycles int) (list []float64) {
				for range 25 {
					list = append(list, scoring.Default().Score(scoring.Measure(m.Run(random, cycles))).Composite)
				}
				return list
			}
			for range 40 {
				m, ok := NewModel(NewSuite(test.box, random, tasks), random, test.box.Champion)
				if !ok {
					t.Fatal("no such model")
				}
				list := composites(m, 5)
				all = append(all, list...)
				full = append(full, variance(list))
				quick = append(quick, variance(composites(m, 2)))
			}
			got := []float64{math.Sqrt(mean(full)), math.Sqrt(mean(quick))}
			t.Logf("a standard deviation of %.3f in 200 tests, of %.3f in 80; mean %.2f", got[0], got[1], mean(all))
			if diff := cmp.Diff([]float64{test.full, test.quick}, got, cmpopts.EquateApprox(0, 0.03)); diff != "" {
				t.Errorf("deviations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.box.Champion, mean(all), cmpopts.EquateApprox(0, 0.05)); diff != "" {
				t.Errorf("mean composite (-true +measured):\n%s", diff)
			}
		})
	}
}

// The gap is the true one on the tasks of the tournament, not just that of the
// abilities.
func TestTheGapIsTrue(t *testing.T) {
	for _, gap := range []float64{-0.5, 0, 0.5, 1, 2} {
		for i := range 50 {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			champion, candidate := Tournament{Box: Managed(), Gap: gap}.opponents(random)
			if diff := cmp.Diff(gap, candidate.Composite()-champion.Composite(), cmpopts.EquateApprox(0, 2e-6)); diff != "" {
				t.Fatalf("gap (-want +got):\n%s", diff)
			}
		}
	}
	random := rand.New(rand.NewPCG(3, 3))
	m, _ := NewModel(NewSuite(Managed(), random, tasks), random, 8)
	var list []float64
	for range 400 {
		list = append(list, scoring.Default().Score(scoring.Measure(m.Run(random, cycles))).Composite)
	}
	if mean := mean(list); math.Abs(mean-8) > 0.03 {
		t.Errorf("400 runs have a mean of %.3f, not of 8", mean)
	}
}

// A figure is the same on each machine, however many processors it has.
func TestTheSameSeedGivesTheSameFigures(t *testing.T) {
	for _, line := range Lines() {
		line.Gap = 0
		first, second := Simulate(line.Tournament, 8, 4), Simulate(line.Tournament, 8, 4)
		if diff := cmp.Diff(first, second, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s (-first +second):\n%s", line, diff)
		}
		if sum := first.Promoted + first.Retained + first.Inconclusive; math.Abs(sum-1) > 1e-9 {
			t.Errorf("%s: the shares add up to %v", line, sum)
		}
	}
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, figure := range list {
		sum += figure
	}
	return sum / float64(len(list))
}

func variance(list []float64) float64 {
	middle, squares := mean(list), 0.0
	for _, figure := range list {
		squares += (figure - middle) * (figure - middle)
	}
	return squares / float64(len(list)-1)
}
