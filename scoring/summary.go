package scoring

import (
	"math"
	"slices"
	"time"
)

// mean returns the mean of the figures, NaN where there are none.
func mean(figures []float64) float64 {
	sum := 0.0
	for _, figure := range figures {
		sum += figure
	}
	return sum / float64(len(figures))
}

// variance returns the unbiased sample variance of the figures, NaN for fewer
// than two (the corrected two-pass algorithm of Chan, Golub and LeVeque 1983).
func variance(figures []float64) float64 {
	middle := mean(figures)
	squares, rest := 0.0, 0.0
	for _, figure := range figures {
		squares += (figure - middle) * (figure - middle)
		rest += figure - middle
	}
	n := float64(len(figures))
	return (squares - rest*rest/n) / (n - 1)
}

// standardDeviation returns the sample standard deviation of the figures, NaN for fewer
// than two.
func standardDeviation(figures []float64) float64 { return math.Sqrt(variance(figures)) }

// MedianDuration returns the median of the list, the upper one of two; 0 for an
// empty list. The list is not changed.
func MedianDuration(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// median returns the median of the figures, the mean of the middle two for an
// even number, 0 for none. It leaves the figures in their order.
func median(figures []float64) float64 {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Clone(figures)
	slices.Sort(sorted)
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// spread returns the standard deviation of the figures, estimated from their
// median absolute deviation: a few outliers don't change it. The factor 1.4826
// makes it consistent for normal figures (Hampel 1974).
func spread(figures []float64) float64 {
	middle := median(figures)
	deviations := make([]float64, len(figures))
	for i, figure := range figures {
		deviations[i] = math.Abs(figure - middle)
	}
	return 1.4826 * smallSample(len(figures)) * median(deviations)
}

// smallSample returns the factor that removes the bias of the median absolute
// deviation of few figures (Croux and Rousseeuw 1992, table 1): for four figures
// it is a quarter too small otherwise.
func smallSample(figures int) float64 {
	switch {
	case figures < 2:
		return 1
	case figures < 10:
		return [10]float64{2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}[figures]
	default:
		return float64(figures) / (float64(figures) - 0.8)
	}
}
