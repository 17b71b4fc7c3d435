package simulation

import (
	"fmt"

	"github.com/turbone/jarvis/scoring"
)

// Line is one line of the table: a rule on a box, over several gaps.
type Line struct {
	Name string
	Tournament
	Gaps []float64
}

// Lines are those of the table: what a tournament decides, and at what cost.
func Lines() []Line {
	every := []float64{-0.5, 0, 0.25, 0.5, 1, 2}
	equal := []float64{0, 0.5}
	usual, extended, quick := scoring.Plan{Cap: 200}, scoring.Plan{Cap: 400}, scoring.Plan{Cap: 80}
	drifting := Managed()
	drifting.Name = "typical, managed, half of them drifting by 30 %"
	drifting.Drift, drifting.DriftFactor = 0.5, 1.3
	lines := []Line{
		{"plain rule", Tournament{Box: Managed(), Plan: usual, Plain: true}, every},
		{"unknown champion, cap 200", Tournament{Box: Managed(), Plan: usual, Unknown: true}, every},
		{"unknown champion, cap 400", Tournament{Box: Managed(), Plan: extended, Unknown: true}, []float64{0}},
		{"unknown champion, cap 80", Tournament{Box: Managed(), Plan: quick, Unknown: true}, []float64{0}},
		{"cap 80", Tournament{Box: Managed(), Plan: quick}, every},
		{"cap 200", Tournament{Box: Managed(), Plan: usual}, every},
		{"cap 400", Tournament{Box: Managed(), Plan: extended}, every},
		{"its runs of one cycle, cap 200", Tournament{Box: Managed(), Plan: usual, Short: true}, equal},
		{"best of 8, cap 200", Tournament{Box: Managed(), Plan: usual, Field: 8}, []float64{0}},
	}
	for _, b := range []Box{Steady(), Typical(), Noisy(), NoisyManaged(), drifting} {
		lines = append(lines,
			Line{"plain rule", Tournament{Box: b, Plan: usual, Plain: true}, equal},
			Line{"cap 200", Tournament{Box: b, Plan: usual}, equal},
			Line{"cap 400", Tournament{Box: b, Plan: extended}, []float64{0}})
	}
	return lines
}

// Cell plays the tournaments of one gap of a line.
func (l Line) Cell(gap float64, number int) Figures {
	l.Gap = gap
	return Simulate(l.Tournament, number, 1)
}

// String names the line.
func (l Line) String() string { return fmt.Sprintf("%s: %s", l.Box.Name, l.Name) }

// String tells how many of 100 were promoted, and the mean number of tests of
// the candidate and of the champion.
func (f Figures) String() string {
	return fmt.Sprintf("%.1f / %.0f + %.0f", 100*f.Promoted, f.Tests, f.Champion)
}
