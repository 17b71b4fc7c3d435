// Package chat knows the three ways in which programs ask a chat model:
// OpenAI's /v1/chat/completions, Anthropic's /v1/messages, and Ollama's
// /api/chat. Each is read into, and written from, one neutral form, so that a
// server answers for another that speaks differently, and so that an answer
// that broke off can be carried on by somebody else.
package chat

import "encoding/json"

// Role is who said a message.
type Role string

// The roles. What comes as "developer" is System.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	Tool      Role = "tool"
)

// Request is a question in the neutral form. Zero values mean "not given".
type Request struct {
	Model    string
	Messages []Message
	// Prompt is the text that [Completions] carries on, in place of messages.
	Prompt string
	Tools  []ToolSpec
	// ToolChoice is "auto", "none", "required", or the name of a tool after
	// "tool:".
	ToolChoice string
	// OneCall: at most one tool is to be called at a time.
	OneCall bool
	Stream  bool
	// Usage: the client wants the counts at the end of a stream.
	Usage bool

	MaxTokens                         int
	Temperature, TopP, MinP           *float64
	TopK, Seed                        *int
	PresencePenalty, FrequencyPenalty *float64
	Stop                              []string
	// Format is nil, or "json" as a JSON string, or the JSON schema object
	// that the answer is to have.
	Format json.RawMessage
	// Thinking is nil where the client left it open.
	Thinking *bool
	// KeepAlive is how long Ollama is to keep the model, as it was given.
	KeepAlive json.RawMessage
	// Options are Ollama's options that have no name of their own here.
	Options map[string]json.RawMessage
	// User names the client's own user.
	User string
}

// Message is one turn. Parts are in order.
type Message struct {
	Role     Role
	Parts    []Part
	Thinking string
	// Calls are the tools that the assistant called.
	Calls []Call
	// CallID and Name say which call a tool's message answers. CallID may be
	// empty where the protocol knows none.
	CallID, Name string
	// Failed: the tool says that it failed.
	Failed bool
}

// Part is a text or an image.
type Part struct {
	Text string
	// Image, where not nil, is the picture.
	Image *Image
}

// Image is a picture: its bytes, or where it can be fetched.
type Image struct {
	// MediaType is such as "image/png"; empty where unknown.
	MediaType string
	// Data is base64 as it came; URL is set where there is no Data.
	Data, URL string
}

// ToolSpec is a tool that the model may call.
type ToolSpec struct {
	Name, Description string
	// Parameters is a JSON schema, nil for none.
	Parameters json.RawMessage
	Strict     *bool
}

// Call is one call of a tool.
type Call struct {
	ID, Name string
	// Arguments is a JSON object.
	Arguments string
}

// Finish is why an answer ended.
type Finish string

// The reasons.
const (
	Stopped  Finish = "stop"
	Length   Finish = "length"
	Calling  Finish = "tool_calls"
	Filtered Finish = "content_filter"
)

// Usage is the server's count of tokens; Known is false where it gave none.
type Usage struct {
	Prompt, Completion int
	Known              bool
}

// Add takes over what a later count knows: some servers count the prompt at the
// beginning of a stream, and the answer at its end.
func (u *Usage) Add(later Usage) {
	if !later.Known {
		return
	}
	u.Known = true
	if later.Prompt > 0 {
		u.Prompt = later.Prompt
	}
	if later.Completion > 0 {
		u.Completion = later.Completion
	}
}

// Reply is a whole answer.
type Reply struct {
	ID, Model string
	// Created is in seconds since 1970, 0 where unknown.
	Created        int64
	Text, Thinking string
	Calls          []Call
	Finish         Finish
	Usage          Usage
}

// Piece is what one frame of a stream adds. Several of its fields may be set.
type Piece struct {
	// ID, Model and Created are set where the frame names them.
	ID, Model      string
	Created        int64
	Text, Thinking string
	// Calls are pieces of calls, see [CallPiece].
	Calls []CallPiece
	// Finish is set by the frame that says why the answer ended.
	Finish Finish
	// Usage is set by the frame that counts.
	Usage Usage
	// Done: the answer is complete, nothing follows that matters.
	Done bool
	// Error is the server's words where the frame is an error, and Code the
	// status that goes with it, 0 where it names none.
	Error string
	Code  int
}

// Token reports whether the piece is part of the answer itself.
func (p Piece) Token() bool { return p.Text != "" || p.Thinking != "" || len(p.Calls) > 0 }

// CallPiece is a part of a call. ID and Name come with its first part,
// Arguments in parts to be joined. Another ID at the same Index is another
// call: some servers don't count.
type CallPiece struct {
	Index               int
	ID, Name, Arguments string
}
