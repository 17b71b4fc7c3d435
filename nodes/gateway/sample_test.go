package gateway_test

import "os"

// sample returns all if JARVIS_FULL is 1, and some otherwise: large campaigns
// run in full only on demand.
func sample[T any](all, some T) T {
	if os.Getenv("JARVIS_FULL") == "1" {
		return all
	}
	return some
}
