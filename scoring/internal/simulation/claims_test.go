package simulation

import (
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// claim is what is said of a figure: how many of 100 are promoted, and how many
// tests the candidate takes at most on average, 0 where nothing is said.
type claim struct {
	line        string
	gap         float64
	least, most float64
	tests       float64
}

// sampled is the claim as so many tournaments can tell it.
func (c claim) sampled(number int) claim {
	miss := func(percent float64) float64 { return 3 * math.Sqrt(percent*(100-percent)/float64(number)) }
	c.least -= miss(c.least)
	c.most += miss(c.most)
	c.tests *= 1 + 1.5/math.Sqrt(float64(number)) // they vary by half of their mean
	return c
}

// TestWhatTournamentsAchieve plays 2,000 tournaments for each figure that
// something is claimed of where JARVIS_FULL is 1, some for the others, and
// prints the table:
//
//	JARVIS_FULL=1 go test -v -run TestWhatTournamentsAchieve ./scoring/internal/simulation
//
// Else it plays a tenth for each claim, which may miss it by three standard
// errors.
func TestWhatTournamentsAchieve(t *testing.T) {
	claimed, shown, full := 2000, 200, os.Getenv("JARVIS_FULL") == "1"
	if !full {
		claimed, shown = 200, 0
	}
	claims := []claim{
		// Who tosses a coin crowns every second equal.
		{line: "typical, managed: plain rule", gap: 0, least: 45, most: 55},

		{line: "typical, managed: cap 200", gap: 0, most: 6.5},
		{line: "typical, managed: cap 400", gap: 0, most: 6.5},
		{line: "typical, managed: cap 80", gap: 0, most: 6.5},
		{line: "typical, managed: its runs of one cycle, cap 200", gap: 0, most: 6.5},
		{line: "typical, managed: unknown champion, cap 200", gap: 0, most: 4},
		{line: "typical, managed: unknown champion, cap 400", gap: 0, most: 4},
		{line: "typical, managed: unknown champion, cap 80", gap: 0, most: 4},
		{line: "typical, managed: cap 200", gap: 0.5, least: 78, most: 100},
		{line: "typical, managed: cap 400", gap: 0.5, least: 88, most: 100},
		{line: "typical, managed: cap 200", gap: 1, least: 97, most: 100, tests: 60},
		{line: "typical, managed: cap 400", gap: 1, least: 97, most: 100, tests: 60},
		{line: "typical, managed: cap 200", gap: -0.5, most: 1},

		{line: "steady: cap 200", gap: 0, most: 7},
		{line: "steady: cap 400", gap: 0, most: 7},
		{line: "typical: cap 200", gap: 0, most: 7},
		{line: "typical: cap 400", gap: 0, most: 7},
		{line: "noisy: cap 200", gap: 0, most: 7},
		{line: "noisy: cap 400", gap: 0, most: 7},
		{line: "noisy, managed: cap 200", gap: 0, most: 7},
		{line: "noisy, managed: cap 400", gap: 0, most: 7},
		{line: "typical, managed, half of them drifting by 30 %: cap 200", gap: 0, most: 7},

		{line: "typical, managed: best of 8, cap 200", gap: 0, most: 7},
	}
	checked := 0
	for _, line := range Lines() {
		for _, gap := range line.Gaps {
			number, made := shown, claim{most: 100}
			for _, c := range claims {
				if c.line == line.String() && cmp.Equal(c.gap, gap) {
					number, made = claimed, c
					checked++
					break
				}
			}
			if number == 0 {
				continue
			}
			if !full {
				made = made.sampled(number)
			}
			f := line.Cell(gap, number)
			t.Logf("%-70s gap %+.2f  %s  (%d tournaments)", line, gap, f, number)
			if promoted := 100 * f.Promoted; promoted < made.least || promoted > made.most {
				t.Errorf("%s, gap %+.2f: %.2f %% promoted, not %v to %v", line, gap, promoted, made.least, made.most)
			}
			if made.tests > 0 && f.Tests > made.tests {
				t.Errorf("%s, gap %+.2f: %.1f tests on average, more than %v", line, gap, f.Tests, made.tests)
			}
		}
	}
	if checked != len(claims) {
		t.Errorf("%d of %d claims were checked", checked, len(claims))
	}
}
