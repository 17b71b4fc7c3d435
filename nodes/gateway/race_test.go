//go:build race

package gateway_test

// raceDetector: everything takes ten times as long.
const raceDetector = true
