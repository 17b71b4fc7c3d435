package nodes

import (
	"context"
	"time"
)

// Backend is one server, spoken to in its engine's protocol. It is what every
// engine can do. Implementations are safe for concurrent use, keep no
// goroutine after a call returns, bound what they read, and return errors that
// wrap a [Fault].
//
// [github.com/turbone/jarvis/nodes/nodetest.Run] holds an implementation to
// this contract.
type Backend interface {
	// Probe asks what is on disk and what is loaded. It changes nothing on the
	// server, and tells the engine by the body of the answer, not by its
	// status: a server of another kind is [WrongEngine]. It blocks until the
	// answer is in or ctx ends.
	Probe(ctx context.Context) (Snapshot, error)
	// Chat asks one question and blocks until the whole answer is in, a
	// deadline of the request passes, or ctx ends. See [ChatRequest].
	Chat(ctx context.Context, req ChatRequest) (ChatReply, error)
}

// Loader is a backend whose models can be loaded and unloaded.
//
// These are the engine's bare verbs. What must hold around them on every
// engine (list first, unload the others, one at a time) is done by
// [Node.Ensure]; call that.
type Loader interface {
	// Load loads m and returns when the model is ready, also on engines whose
	// own call returns earlier. Loading what is loaded already may make a
	// second instance. Settings that the engine doesn't know are an error.
	Load(ctx context.Context, m Model) (Instance, error)
	// Unload asks for the instance to be unloaded. Engines acknowledge before
	// it is gone: only a probe tells. An instance that isn't there is no error.
	Unload(ctx context.Context, instance string) error
}

// SettingsChecker is a [Loader] that can tell in advance which load settings
// it would refuse. [Node.Ensure] asks it before anything is unloaded.
type SettingsChecker interface {
	// CheckSettings returns an error that names the first setting that a load
	// would refuse, nil where there is none. It asks no server.
	CheckSettings(s Settings) error
}

// Canonicalizer is a backend with several spellings for one model, such as
// Ollama's "good" and "good:latest".
type Canonicalizer interface {
	// Canonical returns the one spelling that stands for all.
	Canonical(model string) string
}

// BusyReporter is a backend that tells how many requests are under way on the
// server, those of other clients included.
type BusyReporter interface {
	// InFlight returns the number of requests being worked on.
	InFlight(ctx context.Context) (int, error)
}

// Downloader is a backend that fetches models by itself.
type Downloader interface {
	// Download fetches the model to the node's disk and blocks until it is
	// there. progress, where not nil, is called from the same goroutine.
	Download(ctx context.Context, model string, progress func(Progress)) error
}

// Progress is how far a download is. Total is 0 while unknown.
type Progress struct {
	Status    string
	Completed int64
	Total     int64
}

// Restarter restarts a server from outside, by a command for instance.
type Restarter interface {
	// Restart blocks until the command ended, not until the server answers.
	// It returns what the command printed, bounded.
	Restart(ctx context.Context) (output string, err error)
}

// Role is who said a message.
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
// Messages means "the engine's default".
type ChatRequest struct {
	// Model is a model's name or an instance's id.
	Model string
	// Messages is the conversation, oldest first.
	Messages []Message
	// MaxTokens bounds the answer, thinking included.
	MaxTokens int
	// Temperature is sent also when it points to 0.
	Temperature *float64
	// Seed is sent where the engine knows it.
	Seed *int
	// Stream asks for the answer in pieces. FirstToken and BetweenTokens can
	// only be told apart on a stream; without one, FirstToken bounds the
	// whole answer where it is set.
	Stream bool
	// FirstToken bounds the wait for the first token, BetweenTokens that for
	// each later one; 0 is no bound but ctx's. Passing one is [TimedOut].
	FirstToken, BetweenTokens time.Duration
	// OnlyLoaded asks only a model that is in memory: [NotLoaded] where it
	// isn't, instead of the load that LM Studio and Ollama do by themselves.
	// The model's keep-alive and its load settings are left as they were.
	OnlyLoaded bool
	// Settings are the load settings in force. Engines that reload a model
	// for a request with other settings send them along.
	Settings Settings
	// NoThinking asks a reasoning model to answer straight away, where the
	// engine can ask that.
	NoThinking bool
	// OnToken, where not nil, is called for each piece of the answer as it
	// comes, thinking included, from the goroutine that called Chat.
	OnToken func(piece string)
}

// ChatReply is one answer.
type ChatReply struct {
	// Model is the model or instance that answered, as the server names it.
	Model string
	// Text is the answer without its thinking.
	Text string
	// Thinking is what came as <think>…</think>, reasoning_content, or a
	// reasoning item.
	Thinking string
	// PromptTokens and Tokens are the server's counts; where it gives none,
	// Tokens counts the pieces of the stream. Thinking counts.
	PromptTokens, Tokens int
	// FirstToken is the time to the first token; without a stream the time to
	// the answer.
	FirstToken time.Duration
	// Duration is from the request to the end of the answer.
	Duration time.Duration
	// Finish is the engine's reason for the end: "stop", "length", …
	Finish string
}
