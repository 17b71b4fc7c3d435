// Package hub finds models on Hugging Face that fit a node, and has the node's
// engine download them.
//
// [Client.Discover] lists repositories with GGUF files, chooses the best
// quantization in each that fits the node's memory, and ranks the repositories
// by a published benchmark and by downloads. [Client.Resolve] does the same for
// one repository. [Pull] checks the room on the node and passes the model's name
// to the engine, in the engine's spelling; the engine downloads by itself.
//
// The benchmark measured the unquantized base models on tasks of its own. Use it
// to choose candidates for a tournament, not to decide one.
package hub
