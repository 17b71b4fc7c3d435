// Package nodetest has fakes that speak each engine's HTTP protocol over real
// sockets, with faults that can be switched on at run time, and the
// conformance test [Run] that every backend passes.
//
//	fake := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good:latest"}}})
//	fake.Break(nodetest.Wedged)
//	…
//	fake.Mend(nodetest.Wedged)
//
// The faults are those that users of these engines report; [Server.Calls]
// tells what was asked, so that a test can also show what was not.
package nodetest
