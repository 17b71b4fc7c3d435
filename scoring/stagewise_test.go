package scoring

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The interval of a group-sequential test of a random walk holds its drift in 95 of 100
// walks, whatever the drift is and wherever the test ends.
func TestDistancesCover(t *testing.T) {
	const number, worth = 1500, 2.5
	b := Plan{Cap: 200}.bounds(falseTasks)
	last := len(b.looks) - 1
	for _, drift := range []float64{-2, 0, 1, 2.5, 5} { // at the cap
		random := rand.New(rand.NewPCG(7, uint64(10+drift)))
		held, early := 0, 0
		for range number {
			walk, seen := 0.0, 0.0
			for i, look := range b.looks {
				at := float64(look) / 200
				walk += drift*(at-seen) + math.Sqrt(at-seen)*random.NormFloat64()
				seen = at
				z, gap := walk/math.Sqrt(at), worth*math.Sqrt(at)
				if i < last && z < b.upper[i] && gap-z < b.lower[i] {
					continue
				}
				if i < last {
					early++
				}
				below, above := b.distances(look, z, gap)
				if truth := drift * math.Sqrt(at); z-below <= truth && truth <= z+above {
					held++
				}
				break
			}
		}
		share := float64(held) / number
		t.Logf("drift %4.1f: %.1f %% end early, %.1f %% hold it", drift, 100*float64(early)/number, 100*share)
		if miss := 3 * math.Sqrt(0.05*0.95/number); math.Abs(share-0.95) > miss {
			t.Errorf("drift %v: the interval holds it in %.1f %%", drift, 100*share)
		}
	}
}
