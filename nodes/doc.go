// Package nodes says what an LLM server is and what can be done with it:
// probe, chat, load, unload, download, restart.
//
// A [Backend] speaks one engine's protocol; each engine has a package of its
// own below this one. What only some engines can do is an interface of its own
// ([Loader], [Downloader], [BusyReporter]), found by a type assertion. A [Node]
// is a backend with a name, a wanted model and the means to restart it, and
// holds the rules that are the same for every engine: never two models where
// one was meant, one load at a time, and no answer counted that has no token
// in it or comes from another model.
//
// Three verdicts are kept apart, because servers fail between them:
//
//   - reachable: the right kind of server answered ([Backend.Probe] returned
//     a [Snapshot]);
//   - present: the model is among [Snapshot.Loaded];
//   - answers: [Node.Ask] got at least one token from the model asked, within
//     a first-token and a between-token deadline.
//
// Failures are told apart by [Fault]. Every error of a backend wraps one:
//
//	if errors.Is(err, nodes.Busy) { … }
package nodes
