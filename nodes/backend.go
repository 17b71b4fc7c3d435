package nodes

import (
	"context"
	"time"
)

// Backend is the client of one server, with the operations that every engine
// has. Implementations are safe for concurrent use, leave no goroutine behind
// when a call returns, bound what they read, and return errors that wrap a
// [Fault].
//
// [github.com/turbone/jarvis/nodes/nodetest.Run] is the conformance test of an
// implementation.
type Backend interface {
	// Probe returns what is on the server's disk and what is loaded. It changes
	// nothing on the server. It recognizes the engine by the body of the answer,
	// not by the status; another kind of server is [WrongEngine]. It blocks
	// until the answer is complete or ctx ends.
	Probe(ctx context.Context) (Snapshot, error)
	// Chat asks one question. It blocks until the answer is complete, a deadline
	// of the request passes, or ctx ends.
	Chat(ctx context.Context, req ChatRequest) (ChatReply, error)
}

// Loader is a [Backend] whose models can be loaded and unloaded.
//
// These are the engine's own operations. [Node.Ensure] calls them in the order
// that is safe on every engine: list, unload the others, load, one at a time.
type Loader interface {
	// Load loads m and blocks until the model is ready, also on engines whose
	// own call returns earlier. Loading a loaded model may make a second
	// instance of it. It is an error if the engine doesn't know a setting.
	Load(ctx context.Context, m Model) (Instance, error)
	// Unload asks the server to unload an instance. Engines acknowledge before
	// the instance is gone; a probe shows when it is. An instance that is not
	// loaded is no error.
	Unload(ctx context.Context, instance string) error
}

// NameKnower is a [Canonicalizer] that learns the names of its server's models from
// the server's list.
type NameKnower interface {
	Canonicalizer
	// OwnModels returns the models' names of the latest list, if the server would
	// answer a request for any other name with one of these. It returns nil if the
	// server refuses other names, or before the first list.
	OwnModels() []string
	// NamesRevision changes with the results of OwnModels and Canonical. It is 0
	// before the first list, which a probe reads.
	NamesRevision() uint64
}

// Rescanner is a [Loader] whose server lists the models that it found at its start,
// until it is asked to look again.
type Rescanner interface {
	// Rescan makes the server look for its models again. It unloads a model whose
	// file is gone.
	Rescan(ctx context.Context) error
}

// SettingsChecker is a [Loader] that can check load settings before a load.
// [Node.Ensure] does so before it unloads anything.
type SettingsChecker interface {
	// CheckSettings returns an error that names the first setting that a load
	// would refuse. It makes no request.
	CheckSettings(s Settings) error
}

// Canonicalizer is a [Backend] with several spellings of a model's name, such as
// Ollama's "good" and "good:latest".
type Canonicalizer interface {
	// Canonical returns the canonical spelling of a model's name.
	Canonical(model string) string
}

// BusyReporter is a [Backend] whose server reports the requests under way, those
// of other clients included.
type BusyReporter interface {
	// InFlight returns the number of requests under way.
	InFlight(ctx context.Context) (int, error)
}

// Downloader is a [Backend] whose server can download models.
type Downloader interface {
	// Download downloads a model to the node's disk and blocks until it is
	// there. It calls progress, unless nil, from the caller's goroutine.
	Download(ctx context.Context, model string, progress func(Progress)) error
}

// Progress is the progress of a download.
type Progress struct {
	// Status is the server's own text.
	Status string
	// Completed and Total are in bytes. Total is 0 while it is unknown.
	Completed, Total int64
}

// Restarter restarts a server from outside, such as by a command.
type Restarter interface {
	// Restart restarts the server and returns the output of the command,
	// bounded. It blocks until the command ends, not until the server answers.
	Restart(ctx context.Context) (output string, err error)
}

// Role is the author of a message.
type Role string

// The roles.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Message is one turn of a conversation.
type Message struct {
	Role Role
	Text string
}

// ChatRequest is one question. The zero value of every field but Model and
// Messages means the engine's default.
type ChatRequest struct {
	// Model is a model's name or an instance's ID.
	Model string
	// Messages is the conversation, oldest message first.
	Messages []Message
	// MaxTokens is the greatest length of the answer, thinking included.
	MaxTokens int
	// Temperature is the sampling temperature. A pointer to 0 is sent as well.
	Temperature *float64
	// Seed is the sampling seed. Engines without one ignore it.
	Seed *int
	// Stream asks for a streamed answer.
	Stream bool
	// FirstToken bounds the wait for the first token, and BetweenTokens the wait
	// for each later one. If one passes, the error wraps [TimedOut]. 0 is no
	// bound but the context's. Without Stream, FirstToken bounds the whole
	// answer.
	FirstToken, BetweenTokens time.Duration
	// OnlyLoaded asks a model only if it is in memory. Otherwise the error wraps
	// [NotLoaded], where LM Studio and Ollama would load the model. The model's
	// keep-alive and load settings stay as they are. A model that sleeps is not
	// woken, unless Wake is set; the error wraps [Asleep].
	OnlyLoaded, Wake bool
	// Settings are the load settings in force. They are sent to engines that
	// reload a model for a request with other settings.
	Settings Settings
	// NoThinking asks a reasoning model not to think. Engines that can't ask for
	// it ignore it.
	NoThinking bool
	// OnToken, unless nil, is called with each piece of the answer, thinking
	// included, from the goroutine that called Chat.
	OnToken func(piece string)
}

// ChatReply is one answer.
type ChatReply struct {
	// Model is the model or instance that answered, by the server's name.
	Model string
	// Text is the answer without its thinking.
	Text string
	// Thinking is the reasoning, which engines send as <think>…</think>, as
	// reasoning_content, or as an item of its own.
	Thinking string
	// PromptTokens and Tokens are the server's counts, thinking included. If the
	// server sends none, Tokens is the number of pieces of the stream.
	PromptTokens, Tokens int
	// FirstToken is the time from the request to the first token, or to the
	// whole answer if it was not streamed.
	FirstToken time.Duration
	// Duration is the time from the request to the end of the answer.
	Duration time.Duration
	// Finish is the engine's finish reason: "stop", "length", …
	Finish string
}
