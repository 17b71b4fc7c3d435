package scoring

import (
	"math"
	"slices"
)

// mannWhitney returns the z of the rank-sum test of two samples (Mann and Whitney
// 1947), corrected for ties and for continuity. z is positive where the figures
// of after tend to be larger, 0 where a sample is empty or all figures are equal.
//
// The normal approximation is close from about eight figures in each sample;
// fewer can't give a z of 3.
func mannWhitney(before, after []float64) (z float64) {
	if len(before) == 0 || len(after) == 0 {
		return 0
	}
	type ranked struct {
		figure float64
		after  bool
	}
	all := make([]ranked, 0, len(before)+len(after))
	for _, figure := range before {
		all = append(all, ranked{figure, false})
	}
	for _, figure := range after {
		all = append(all, ranked{figure, true})
	}
	slices.SortFunc(all, func(a, b ranked) int {
		switch {
		case a.figure < b.figure:
			return -1
		case a.figure > b.figure:
			return 1
		}
		return 0
	})
	var ranks, ties float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].figure == all[i].figure {
			j++
		}
		equal := float64(j - i)
		rank := float64(i+j+1) / 2 // the mean of the ranks i+1 to j
		for _, one := range all[i:j] {
			if one.after {
				ranks += rank
			}
		}
		ties += equal*equal*equal - equal
		i = j
	}
	m, n := float64(len(before)), float64(len(after))
	total := m + n
	difference := ranks - n*(n+1)/2 - m*n/2
	variance := m * n / 12 * (total + 1 - ties/(total*(total-1)))
	if !(variance > 0) {
		return 0
	}
	difference = math.Copysign(max(0, math.Abs(difference)-0.5), difference)
	return difference / math.Sqrt(variance)
}
