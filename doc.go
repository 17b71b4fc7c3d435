// Package jarvis keeps clusters of self-hosted LLM servers serving, around the
// clock and unattended. It has no code of its own: the packages below it do the
// work, and two commands put them together.
//
// The servers:
//
//   - nodes: one server, what it can do, and the faults by which it fails
//   - nodes/ollama, nodes/lmstudio, nodes/llamacpp, nodes/openai: the client of
//     each engine
//   - nodes/engines: the registry of the engines, and the detection of the
//     engine behind an address
//   - nodes/nodetest: fakes of every engine, and the conformance test of a
//     backend. Below it, realollama and realllamacpp run real servers in tests,
//     with the models of tinygguf
//
// Requests on their way to them:
//
//   - nodes/route: the choice of the node that serves a request
//   - nodes/gateway: forwarding, retries and continuation of requests, as an HTTP
//     transport or handler
//   - nodes/gateway/metrics: the gateway's figures for Prometheus
//
// Keeping them healthy:
//
//   - healer: diagnosis, repair, verification and rollback; the interface Healer
//     and its implementation Watchdog
//   - healer/remote: the Healer of a daemon that runs elsewhere
//   - healer/healertest: a fake Healer, and the conformance test of one
//   - healer/alert: which events are sent to whom
//   - healer/daemon: all that jarvis-heal runs, made from values
//
// Which model should serve:
//
//   - scoring: the score of a run, the comparison of two models, and regressions
//   - scoring/grade: the grading of one answer
//   - history: the interface HistoryStore, the record of runs and of the champion
//   - history/filestore, history/sqlstore: a store in a JSON file, and in SQLite
//   - history/historytest: the conformance test of a store
//   - arena: tournaments of models; the interface Arena and its implementation
//     Organizer
//   - arena/suite: the tasks of a tournament. Below it, suitetest makes models that
//     know a share of them
//   - arena/hub: models that can be downloaded
//   - arena/report: the history as a page
//   - arena/arenatest: a fake Arena, and the conformance test of one
//
// The commands:
//
//   - cmd/jarvis-heal: the daemon
//   - cmd/jarvis-arena: tournaments and the history
//
// Start with package [github.com/turbone/jarvis/nodes], then
// [github.com/turbone/jarvis/healer]. The programs in the folder examples embed
// one package each; examples/embed is a module of its own that embeds them all.
package jarvis
