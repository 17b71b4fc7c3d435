package arena

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/turbone/jarvis/arena/internal/simulation"
)

type claimed struct {
	simulated
	least, most float64 // percent promoted
}

func worlds() []simulation.World {
	return []simulation.World{
		simulation.Typical(), simulation.Calm(), simulation.Life(), simulation.Ceiling(), simulation.Identical(), simulation.Tails(),
		simulation.Drifting("drift up 20 %", 1.2, 120), simulation.Drifting("drift down 20 %", 0.8, 120), simulation.Drifting("faster", 0.8, 60),
		simulation.Visited(), simulation.Busy(), simulation.Bursting("bursts of 10", 10), simulation.Bursting("bursts of 30", 30),
	}
}

func rows() []claimed {
	var list []claimed
	for _, right := range []float64{0.50, 0.65, 0.75, 0.85, 0.90, 0.95, 0.97, 0.99} {
		w := simulation.Alike("alike "+strconv.Itoa(int(100*right)), right)
		for _, r := range []int{0, 4, 5, 10} {
			list = append(list, claimed{simulated{world: w, runs: r}, 0, 7}, claimed{simulated{world: w, runs: r, cycles: 2}, 0, 7})
		}
	}
	for _, w := range worlds() {
		for _, r := range []int{0, 5} {
			list = append(list, claimed{simulated{world: w, runs: r}, 0, 7}, claimed{simulated{world: w, runs: r, gap: 0.5}, 0, 100},
			claimed{simulated{world: w, runs: r, cycles: 2}, 0, 7})
		}
	}
	for _, w := range []simulation.World{simulation.Typical()} {
		for _, r := range []int{0, 5} {
			list = append(list, claimed{simulated{world: w, runs: r, gap: 1}, 0, 100})
		}
	}
	for _, w := range []simulation.World{simulation.Calm(), simulation.Life(), simulation.Alike("alike 95", 0.95)} {
		for _, n := range []int{10, 20, 80} {
			for _, r := range []int{0, 5} {
				list = append(list, claimed{simulated{world: w, runs: r, tasks: n}, 0, 7}, claimed{simulated{world: w, runs: r, tasks: n, cycles: 2}, 0, 7})
			}
		}
	}
	return list
}

func TestRows(t *testing.T) {
	number, _ := strconv.Atoi(os.Getenv("N"))
	if number == 0 {
		t.Skip()
	}
	for _, c := range rows() {
		if !strings.Contains(c.simulated.String(), os.Getenv("ROW")) {
			continue
		}
		f := sumUp(c.simulate(number, 1))
		mark := ""
		if f.promoted > c.most {
			mark = " <<<<"
		}
		t.Logf("%-50s %s%s", c.simulated, f, mark)
	}
}
