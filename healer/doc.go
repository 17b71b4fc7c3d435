// Package healer keeps a cluster of LLM servers serving, with nobody watching.
//
// A [Watchdog] watches every node on its own: it probes, and asks a canary
// question where no real answer came through; what fails twice is taken out of
// the route, repaired, and comes back only after it has answered questions. A
// repair that can't be verified is rolled back to the last model that was.
//
//	unknown ─► healthy ◄────────────────────────────────┐
//	              │ one failed check                     │ questions answered
//	           suspect ──► draining ──► repairing ──► verifying
//	              │ next one passes      ▲   │ nothing      │ twice not
//	           healthy                   │   ▼ helped       ▼
//	                                  offline ◄────── rolling-back
//
// What to do next is decided by a pure function of a node's state, what was
// seen last, and the time: see decide.go. It knows no clock, no network and no
// lock, so that every rule is a row in a table and ten thousand fault schedules
// run in seconds. The shell around it (healer.go, work.go) does what was
// decided, one goroutine for each node, and tells the result back.
//
// Who else works on a node takes its lease: the healer keeps off within a
// second, and looks at the node anew when the lease is free. What a tournament
// wants the healer to know, it writes into the [StateFile]: what must come back
// if it is killed, and what it promoted. A promoted model is on [Trial] for its
// first real answers.
//
// What happened is an [Event]. The log, the console, the status API and the
// alerts all read the same events.
package healer
