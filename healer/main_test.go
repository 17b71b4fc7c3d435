package healer_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets many of the parallel tests run at once: they watch fakes in real
// time, and wait for most of it.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "24"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
