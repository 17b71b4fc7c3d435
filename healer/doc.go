// Package healer keeps a cluster of LLM servers serving, with nobody watching.
//
// A [Healer] watches each node separately. It probes the node, and asks a canary
// question if no real answer came through for a while. A node that fails two
// checks in a row leaves the route, is repaired, and comes back only after it has
// answered questions. If a repair cannot be verified, the node goes back to the
// last model that passed verification.
//
//	unknown ─► healthy ◄────────────────────────────────┐
//	              │ one failed check                     │ questions answered
//	           suspect ──► draining ──► repairing ──► verifying
//	              │ next one passes      ▲   │ nothing      │ twice not
//	           healthy                   │   ▼ helped       ▼
//	                                  offline ◄────── rolling-back
//
// # The core and its shell
//
// All decisions are made in one pure function, fleet.step in step.go. Its only
// argument is an input: the result of an operation, a failed request, a judgement
// of the history, a pause, what another process wrote into the state file. Its
// result is a ready value: what is to be saved before anything else is done, the
// events, what the route is to know, and the next operation of each node. It knows
// no clock, no network and no lock. Tests of it are the transcripts in testdata.
//
// The shell does what a step asks for: watchdog.go applies inputs and runs one
// watcher for each node, work.go does an operation, poll.go asks for what nobody
// tells, store.go writes the state file.
//
// # Other processes
//
// A program that works on a node takes its lease. The healer then leaves the node
// alone within a second, and checks it again when the lease is free. A tournament
// writes into the [StateFile] which model must come back if it is killed, and which
// model it promoted. A promoted model is on [Trial] for its first real answers.
//
// # Events
//
// An [Event] holds the facts of what happened; [Event.Text] makes the sentence. The
// log, the console, the status API and the alerts read the same events.
package healer
