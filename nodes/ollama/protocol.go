package ollama

import (
	"encoding/json"
	"time"
)

// The JSON of the native API, as far as it is used.

// tag is an entry of GET /api/tags: a model on disk.
type tag struct {
	Name    string `json:"name"`
	Model   string `json:"model"`
	Size    int64  `json:"size"`
	Digest  string `json:"digest"`
	Details struct {
		Quantization string `json:"quantization_level"`
	} `json:"details"`
	// Of a model that runs in the cloud.
	RemoteHost  string `json:"remote_host"`
	RemoteModel string `json:"remote_model"`
}

func (t tag) name() string { return either(t.Name, t.Model) }

func (t tag) remote() bool { return t.RemoteHost != "" || t.RemoteModel != "" }

// process is an entry of GET /api/ps: a model in memory.
type process struct {
	Name          string    `json:"name"`
	Model         string    `json:"model"`
	Size          int64     `json:"size"`
	SizeVRAM      int64     `json:"size_vram"`
	Digest        string    `json:"digest"`
	ExpiresAt     time.Time `json:"expires_at"`
	ContextLength int       `json:"context_length"`
}

func (p process) name() string { return either(p.Name, p.Model) }

// either returns an entry's name: both fields hold it, and either may be
// missing.
func either(name, model string) string {
	if name == "" {
		return model
	}
	return name
}

// request is the body of POST /api/generate and /api/chat.
type request struct {
	Model     string         `json:"model"`
	Messages  []message      `json:"messages,omitempty"`
	Stream    bool           `json:"stream"`
	KeepAlive *keepAlive     `json:"keep_alive,omitempty"`
	Truncate  *bool          `json:"truncate,omitempty"`
	Think     *bool          `json:"think,omitempty"`
	Options   map[string]any `json:"options,omitempty"`
}

// message is one turn of a conversation.
type message struct {
	Role      string            `json:"role"`
	Content   string            `json:"content"`
	Thinking  string            `json:"thinking,omitempty"`
	ToolCalls []json.RawMessage `json:"tool_calls,omitempty"`
}

// response is a line of the answer to POST /api/generate and /api/chat.
type response struct {
	Model      string  `json:"model"`
	Message    message `json:"message"`
	Done       bool    `json:"done"`
	DoneReason string  `json:"done_reason"`
	// Counts of tokens.
	PromptEvalCount int `json:"prompt_eval_count"`
	EvalCount       int `json:"eval_count"`
}

// details is the answer to POST /api/show.
type details struct {
	Parameters string         `json:"parameters"`
	ModelInfo  map[string]any `json:"model_info"`
}

// progress is a line of the answer to POST /api/pull.
type progress struct {
	Status    string `json:"status"`
	Total     int64  `json:"total"`
	Completed int64  `json:"completed"`
}

// keepAlive is how long a model stays loaded after a request. Less than 0 is
// until it is unloaded, and 0 unloads it.
type keepAlive time.Duration

// MarshalJSON returns a duration as a string, and -1 for one without end.
func (k keepAlive) MarshalJSON() ([]byte, error) {
	if k < 0 {
		return []byte("-1"), nil
	}
	return json.Marshal(time.Duration(k).String())
}
