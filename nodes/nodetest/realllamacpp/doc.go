// Package realllamacpp gives tests a real llama-server, Debian's, with tiny models
// whose answers are known, and with ways to break it as it breaks in the field.
//
//	s := realllamacpp.Start(t, realllamacpp.Options{Router: true})
//	s.AddModel("good", realollama.Right())
//	…
//	s.StopChild("good") // lists stay healthy, every chat hangs
//
// The packages are fetched once, 13 MB, from the machine's own Debian mirror, and
// kept in the user's cache folder: [Fetch]. It wants apt-get, dpkg and patchelf;
// [Need] skips a test with one line where they are missing, and fails it where the
// environment variable JARVIS_REAL_ENGINE is "required". A mirror that does not
// answer is no matter where an earlier version is in the cache.
//
// Servers can be run on Linux. Elsewhere the package compiles, and [Fetch] returns
// [ErrUnavailable].
package realllamacpp
