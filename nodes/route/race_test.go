//go:build race

package route_test

// raceDetector: everything takes ten times as long.
const raceDetector = true
