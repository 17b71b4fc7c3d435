// Package realollama gives tests a real Ollama server: built from its Go
// module, with tiny models whose answers are known, and with ways to break it
// as it breaks in the field.
//
//	s := realollama.Start(t, realollama.Options{})
//	s.AddModel("good", realollama.Right())
//	…
//	s.StopRunner() // lists stay healthy, every chat hangs
//
// A fake shows that code copes with what its author knew. A real server shows
// what the author did not know. The price is a build of two minutes, once:
// [Build] keeps the program in the user's cache folder. It wants the Go
// command, a C++ compiler and two header packages; [Need] skips a test with
// one line where they are missing, and fails it where the environment variable
// JARVIS_REAL_ENGINE is "required".
//
// Every server has its own port, home, models and process group, and ends with
// its runners when the test ends, however that is. Nothing is downloaded but
// the engine's own module; no model is ever pulled.
//
// Servers can be run on Linux and macOS. Elsewhere the package compiles, and
// [Build] returns [ErrUnavailable].
package realollama
