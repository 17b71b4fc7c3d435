// Package generate is the codec of Ollama's /api/generate, as it stands at
// https://docs.ollama.com/api/generate: a single prompt, read as a chat of one
// message so that servers of other APIs can answer it.
package generate

import (
	"bytes"
	"cmp"
	"encoding/json"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Codec is the codec of /api/generate. It implements [protocol.ClientCodec] but
// not [protocol.ServerCodec]: a prompt can't hold a conversation.
type Codec struct{ ollama.Base }

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/api/generate" }

// unsupported are the members that have no place in a chat.
var unsupported = map[string]string{
	"suffix": "a suffix", "template": "a template", "context": "a context of tokens", "raw": "a raw prompt",
}

// ReadRequest implements [protocol.ClientCodec].
func (Codec) ReadRequest(body []byte) (protocol.Request, error) {
	if err := codec.Refuse(body, unsupported); err != nil {
		return protocol.Request{}, err
	}
	var members map[string]json.RawMessage
	if err := codec.Decode(body, &members, "a generate request"); err != nil {
		return protocol.Request{}, err
	}
	if codec.IsDefault(members["prompt"]) {
		return protocol.Request{}, protocol.UnsupportedError{Feature: "loading a model"}
	}
	user := map[string]json.RawMessage{"role": json.RawMessage(`"user"`), "content": members["prompt"]}
	if !codec.IsDefault(members["images"]) {
		user["images"] = members["images"]
	}
	messages := []map[string]json.RawMessage{user}
	if !codec.IsDefault(members["system"]) {
		messages = []map[string]json.RawMessage{{"role": json.RawMessage(`"system"`), "content": members["system"]}, user}
	}
	for _, name := range []string{"prompt", "images", "system", "suffix", "template", "context", "raw"} {
		delete(members, name)
	}
	var err error
	if members["messages"], err = codec.Encode(messages); err != nil {
		return protocol.Request{}, err
	}
	chat, err := codec.Encode(members)
	if err != nil {
		return protocol.Request{}, err
	}
	return ollama.Codec{}.ReadRequest(chat)
}

type reply struct {
	Model     string `json:"model"`
	CreatedAt string `json:"created_at"`
	Response  string `json:"response"`
	Thinking  string `json:"thinking,omitempty"`
	Done      bool   `json:"done"`
	Reason    string `json:"done_reason,omitempty"`
	Prompt    int    `json:"prompt_eval_count,omitempty"`
	Eval      int    `json:"eval_count,omitempty"`
}

// ReadReply implements [protocol.Codec].
func (c Codec) ReadReply(body []byte) (protocol.Reply, error) {
	d, err := c.ReadFrame(body)
	if err != nil {
		return protocol.Reply{}, err
	}
	if d.Error != "" {
		return protocol.Reply{}, protocol.ServerError{Message: d.Error, Status: d.Status}
	}
	return protocol.Reply{
		Model: d.Model, Created: d.Created, Text: d.Text, Thinking: d.Thinking,
		Finish: cmp.Or(d.Finish, protocol.FinishStop), Usage: d.Usage,
	}, nil
}

// WriteReply implements [protocol.ClientCodec].
func (Codec) WriteReply(r protocol.Reply) []byte {
	return codec.MustEncode(reply{
		Model: r.Model, CreatedAt: ollama.WriteTime(r.Created), Response: r.Text, Thinking: r.Thinking, Done: true,
		Reason: string(cmp.Or(r.Finish, protocol.FinishStop)), Prompt: r.Usage.Prompt, Eval: r.Usage.Completion,
	})
}

// ReadFrame implements [protocol.Codec].
func (Codec) ReadFrame(line []byte) (protocol.Delta, error) {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return protocol.Delta{}, nil
	}
	var d protocol.Delta
	var reason, failed []byte
	known := false
	err := scan.Object(line, func(name, value []byte) bool {
		switch string(name) {
		case "response":
			known = true
			d.Text, _ = scan.String(value)
		case "thinking":
			d.Thinking, _ = scan.String(value)
		case "done":
			known = true
		case "done_reason":
			reason = value
		case "error":
			failed = value
		}
		ollama.ReadMember(name, value, &d)
		return true
	})
	switch {
	case err != nil:
		return protocol.Delta{}, codec.Foreign(line, err)
	case !codec.IsDefault(failed):
		return codec.ReadError(failed).Delta(), nil
	case !known:
		return protocol.Delta{}, codec.Foreign(line, nil)
	}
	if d.Done {
		text, _ := scan.String(reason)
		d.Finish, d.Loaded = ollama.ReadDoneReason(text)
	}
	return d, nil
}

// NewWriter implements [protocol.StreamCodec].
func (Codec) NewWriter(s protocol.StreamInfo) protocol.StreamWriter { return &writer{model: s.Model} }

type writer struct {
	model  string
	closed bool
	finish protocol.Finish
	usage  protocol.Usage
}

// Write implements [protocol.StreamWriter].
func (w *writer) Write(d protocol.Delta) []byte {
	if w.closed {
		return nil
	}
	if d.Error != "" {
		w.closed = true
		return Codec{}.ErrorFrame(d.Status, d.Error)
	}
	w.finish = cmp.Or(d.Finish, w.finish)
	w.usage.Add(d.Usage)
	var out []byte
	if d.Text != "" || d.Thinking != "" {
		out = w.appendLine(out, reply{Response: d.Text, Thinking: d.Thinking})
	}
	if d.Done {
		w.closed = true
		out = w.appendLine(out, reply{
			Done: true, Reason: string(cmp.Or(w.finish, protocol.FinishStop)),
			Prompt: w.usage.Prompt, Eval: w.usage.Completion,
		})
	}
	return out
}

func (w *writer) appendLine(to []byte, r reply) []byte {
	r.Model, r.CreatedAt = w.model, ollama.WriteTime(0)
	return append(append(to, codec.MustEncode(r)...), '\n')
}
