package protocol

import "encoding/json"

// Role says who wrote a message.
type Role string

// The roles. OpenAI's "developer" is read as RoleSystem.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Request is a chat request in the neutral form. Zero values mean "not given".
type Request struct {
	Model    string
	Messages []Message
	Tools    []Tool
	// ToolChoice is "auto", "none", "required", or the name of a tool after
	// "tool:".
	ToolChoice string
	// SingleCall forbids more than one tool call per answer.
	SingleCall bool
	Stream     bool
	// IncludeUsage asks for the token counts at the end of a stream.
	IncludeUsage bool

	MaxTokens                         int
	Temperature, TopP, MinP           *float64
	TopK, Seed                        *int
	PresencePenalty, FrequencyPenalty *float64
	Stop                              []string
	// Format is a JSON schema that the answer must match, the JSON string
	// "json" for any JSON object, or nil.
	Format json.RawMessage
	// Thinking switches reasoning on or off; nil leaves it to the model.
	Thinking *bool
	// KeepAlive is Ollama's keep_alive, as it was given.
	KeepAlive json.RawMessage
	// Options are Ollama's options that have no field here.
	Options map[string]json.RawMessage
	// User identifies the client's own end user.
	User string
}

// Message is one message of a conversation.
type Message struct {
	Role Role
	// Parts are in the order in which they were given.
	Parts     []Part
	Thinking  string
	ToolCalls []ToolCall
	// ToolCallID and Name identify the call that a tool's message answers.
	// ToolCallID may be empty in protocols without such IDs.
	ToolCallID, Name string
	// ToolFailed marks the result of a tool that reported an error.
	ToolFailed bool
}

// Part is a piece of content: a text, or an image.
type Part struct {
	Text string
	// Image is nil for a text.
	Image *Image
}

// Image is a picture, by its bytes or by its address.
type Image struct {
	// MediaType is such as "image/png"; empty if unknown.
	MediaType string
	// Data is in base64. URL is set if Data is empty.
	Data, URL string
}

// Tool is a function that the model may call.
type Tool struct {
	Name, Description string
	// Parameters is a JSON schema, nil for none.
	Parameters json.RawMessage
	// Strict asks the server to enforce the schema.
	Strict *bool
}

// ToolCall is one call of a tool by the model.
type ToolCall struct {
	ID, Name string
	// Arguments should be a JSON object; models also write other text.
	Arguments string
}
