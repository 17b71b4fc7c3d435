// Package nodes defines an LLM server and its operations: probe, chat, load,
// unload, download, restart.
//
// A [Backend] speaks one engine's protocol; each engine has a package of its
// own below this one, whose New takes a [Connection]. An operation that only
// some engines have is an interface of its own ([Loader], [Downloader],
// [BusyReporter]), found by a type assertion.
//
// A [Node] is a backend with a name, a wanted model and the means to restart
// it. It keeps the rules that are the same for every engine: one model in
// memory, one load at a time, and no answer without a token or from another
// model.
//
// Health has three levels, because servers fail between them:
//
//   - reachable: a server of the right engine answered ([Backend.Probe] returned
//     a [Snapshot]);
//   - present: the model is among [Snapshot.Loaded];
//   - answers: [Node.Ask] got at least one token from the model asked, within
//     a first-token and a between-token deadline.
//
// [Fault] tells failures apart. Every error of a backend wraps one:
//
//	if errors.Is(err, nodes.Busy) { … }
package nodes
