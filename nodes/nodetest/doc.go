// Package nodetest provides fake servers of each engine, which listen on loopback
// and have faults that can be switched on while they run, and the conformance test
// [Run] for backends.
//
//	fake := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good:latest"}}})
//	fake.Break(nodetest.Wedged)
//	…
//	fake.Mend(nodetest.Wedged)
//
// The faults are those that users of these engines report. [Server.Calls] returns
// the requests so far, so that a test can also show which were not made. Programs
// other than tests use [Start].
package nodetest
