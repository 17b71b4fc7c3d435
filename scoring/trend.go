package scoring

import (
	"math"
	"slices"
)

// trendScores is the greatest number of scores in a trend: the number of pairs
// grows with its square.
const trendScores = 1000

// TrendRuns is the least number of runs whose trend has a 95 % interval that is one.
const TrendRuns = 30

// Trend returns by how much the scores, oldest first, change from one run to
// the next: the median of the slopes between all pairs of runs (Theil 1950, Sen
// 1968), which a few wild runs don't move. low and high are its 95 % confidence
// interval (Sen 1968), widened by the autocorrelation of the scores about the trend
// (Hamed and Rao 1998); of fewer than four runs the least and the greatest slope. Of
// fewer than [TrendRuns] the autocorrelation is hardly known, and the interval wider
// than it would have to be.
//
// NaN and infinite scores are left out; fewer than two scores give zeros. Of
// more than 1,000 scores the last 1,000 count.
func Trend(scores []float64) (slope, low, high float64) {
	scores = scores[max(0, len(scores)-trendScores):]
	type run struct{ at, score float64 }
	var runs []run
	for i, score := range scores {
		if finite(score) {
			runs = append(runs, run{float64(i), score})
		}
	}
	n := len(runs)
	if n < 2 {
		return 0, 0, 0
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	for i, one := range runs {
		for _, other := range runs[i+1:] {
			slopes = append(slopes, (other.score-one.score)/(other.at-one.at))
		}
	}
	slices.Sort(slopes)
	slope = (slopes[(len(slopes)-1)/2] + slopes[len(slopes)/2]) / 2
	if n < enoughRuns {
		return slope, slopes[0], slopes[len(slopes)-1]
	}

	// The variance of Kendall's S, the number of rises less that of falls,
	// corrected for ties.
	count := float64(n)
	variance := count * (count - 1) * (2*count + 5)
	values := make([]float64, n)
	for i, r := range runs {
		values[i] = r.score
	}
	slices.Sort(values)
	for i := 0; i < n; {
		j := i
		for j < n && values[j] == values[i] {
			j++
		}
		equal := float64(j - i)
		variance -= equal * (equal - 1) * (2*equal + 5)
		i = j
	}
	residuals := make([]float64, n)
	for i, r := range runs {
		residuals[i] = r.score - slope*r.at
	}
	kept := persistence(residuals)
	half := student(1-(1-sure)/2, (count-2)/2) * math.Sqrt(max(variance, 0)/18*(1+kept)/(1-kept))
	pairs := float64(len(slopes))
	first := int(math.Floor((pairs - half) / 2))
	last := int(math.Ceil((pairs + half) / 2))
	return slope, slopes[max(first, 0)], slopes[min(last, len(slopes)-1)]
}

// persistence returns an upper bound of the correlation of successive figures, 0 to
// 0.9: half a standard error is added, since it is estimated too low where a trend
// was taken out.
func persistence(figures []float64) float64 {
	n := float64(len(figures))
	middle := mean(figures)
	var products, squares float64
	for i, figure := range figures {
		squares += (figure - middle) * (figure - middle)
		if i > 0 {
			products += (figure - middle) * (figures[i-1] - middle)
		}
	}
	if squares <= tiny*tiny {
		return 0
	}
	r := products / squares
	return min(max(0, r+(2+4*r)/n+0.5/math.Sqrt(n)), 0.9)
}
