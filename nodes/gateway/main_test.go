package gateway_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain: no goroutine outlives the tests, but those of connections that
// the tests' own clients keep for the next request.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}
