//go:build !race

package scoring

// underRace says that the race detector is on.
const underRace = false
