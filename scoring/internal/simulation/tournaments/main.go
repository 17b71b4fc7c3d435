// Command tournaments prints how often tournaments decide rightly, for several
// machines and true gaps between candidate and champion, and how many tests
// they take:
//
//	go run ./scoring/internal/simulation/tournaments [-number 2000]
//
// Each figure is how many of 100 crown the candidate, and the mean number of
// tests of the candidate and of the champion.
package main

import (
	"flag"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/turbone/jarvis/scoring/internal/simulation"
)

func main() {
	number := flag.Int("number", 2000, "how many tournaments for each figure")
	flag.Parse()
	if *number < 1 {
		fmt.Fprintln(os.Stderr, "tournaments: -number must be at least 1")
		os.Exit(2)
	}
	for _, line := range simulation.Lines() {
		fmt.Println(line)
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, gap := range line.Gaps {
			fmt.Fprintf(w, "  gap %+.2f\t%s\n", gap, line.Cell(gap, *number))
		}
		if err := w.Flush(); err != nil {
			fmt.Fprintln(os.Stderr, "tournaments:", err)
			os.Exit(1)
		}
	}
}
