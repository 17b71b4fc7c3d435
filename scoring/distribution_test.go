package scoring

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mathext"
)

// studentCDF returns the probability that a variable of Student's t distribution
// with v degrees of freedom is at most t.
func studentCDF(t, v float64) float64 {
	tail := 0.5 * mathext.RegIncBeta(v/2, 0.5, v/(v+t*t))
	if t > 0 {
		return 1 - tail
	}
	return tail
}

// The distributions agree with those of gonum's stat/distuv to 1e-12 of their
// value.
func TestDistributions(t *testing.T) {
	functions := map[string]func(arguments []float64) float64{
		"normalQuantile": func(a []float64) float64 { return normalQuantile(a[0]) },
		"normalCDF":      func(a []float64) float64 { return normalCDF(a[0]) },
		"student":        func(a []float64) float64 { return student(a[0], a[1]) },
		"studentCDF":     func(a []float64) float64 { return studentCDF(a[0], a[1]) },
		"binomialCDF":    func(a []float64) float64 { return binomial{a[1], a[2]}.cdf(a[0]) },
		"binomialProb":   func(a []float64) float64 { return binomial{a[1], a[2]}.prob(a[0]) },
	}
	file, err := os.Open("testdata/distributions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	seen := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " = ")
		if !ok || strings.HasPrefix(left, "#") {
			continue
		}
		fields := strings.Fields(left)
		var figures []float64
		for _, text := range append(fields[1:], right) {
			figure, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("%s: %v", lines.Text(), err)
			}
			figures = append(figures, figure)
		}
		want := figures[len(figures)-1]
		got := functions[fields[0]](figures[:len(figures)-1])
		if !(math.Abs(got-want) <= 1e-12*max(math.Abs(want), 1e-6)) {
			t.Errorf("%s: got %.17g", lines.Text(), got)
		}
		seen[fields[0]]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range functions {
		if seen[name] < 10 {
			t.Errorf("only %d values of %s were compared", seen[name], name)
		}
	}
}

func TestAtLeast(t *testing.T) {
	for _, test := range []struct {
		k, n int
		p    float64
		want float64
	}{
		{0, 5, 0.5, 1}, {-1, 5, 0.5, 1}, {1, 1, 0.3, 0.3}, {5, 5, 0.5, 1.0 / 32}, {3, 20, 0.02, 0.0070686934}, {6, 5, 0.5, 0},
	} {
		if got := AtLeast(test.k, test.n, test.p); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%d or more of %d with %v: %.10f, want %.10f", test.k, test.n, test.p, got, test.want)
		}
	}
}
