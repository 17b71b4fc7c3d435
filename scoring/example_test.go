package scoring_test

import (
	"fmt"
	"time"

	"github.com/turbone/jarvis/scoring"
)

func ExampleComposite() {
	sample := scoring.Sample{Tests: 100, Passed: 72, Errors: 20, Latency: 6 * time.Second}
	fmt.Printf("%+v\n", scoring.Default().Score(sample).Rounded())

	onlyQuality := scoring.Composite{Quality: 1}
	fmt.Println(onlyQuality.Score(sample).Rounded().Composite)
	// Output:
	// {Composite:6.32 Quality:7.2 Speed:4 Reliability:8}
	// 7.2
}

func ExampleErrors() {
	// A record of 50 tests with 92 % passed at 15 s, and a composite of 6.48.
	fmt.Println(scoring.Errors(6.48, 92, 15*time.Second, 50))
	// Output: 2
}
