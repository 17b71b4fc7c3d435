// Package arenatest provides a fake [arena.Arena] for the tests of programs
// that embed one, and a conformance test for implementations of the interface.
package arenatest
