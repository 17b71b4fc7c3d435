// Package realserver runs a real server of a test as a process of its own: on a
// port that stays the same over a restart, in a process group of its own that
// ends with the test, however that ends. It is what the harnesses of the real
// engines have in common.
//
// Servers can be run on Linux and macOS. Elsewhere the package compiles.
package realserver
