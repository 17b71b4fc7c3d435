//go:build race

package scoring

// underRace: simulations are left out, they would take minutes. The build
// server runs them once without the race detector.
const underRace = true
