// Package hub finds models on Hugging Face that a node could serve, and has the
// node's own engine download one.
//
// [Client.Discover] lists repositories with GGUF files, chooses in each the best
// quantization that fits the node's memory, and ranks them by a published
// benchmark and by downloads. [Client.Resolve] does the same for one name.
// [Pull] checks that there is room, and hands the name over to the engine in the
// engine's own spelling; nothing passes through this program.
//
// A published benchmark says how the unquantized base model did on somebody
// else's tasks. It is a reason to invite a model to a tournament, not a verdict.
package hub
