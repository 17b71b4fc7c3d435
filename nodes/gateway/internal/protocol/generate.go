package chat

import (
	"encoding/json"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Generate is Ollama's /api/generate: one question without a conversation
// around it. It is read as a chat of one turn, so that any server can answer.
type Generate struct{ Ollama }

// Path implements [Dialect].
func (Generate) Path() string { return "/api/generate" }

// ReadRequest implements [Dialect].
func (Generate) ReadRequest(body []byte) (Request, error) {
	err := refuse(body, map[string]string{
		"suffix": "a suffix", "template": "a template", "context": "a context of tokens", "raw": "a raw prompt",
	})
	if err != nil {
		return Request{}, err
	}
	var all map[string]json.RawMessage
	if err := decode(body, &all, "a generate request"); err != nil {
		return Request{}, err
	}
	user := map[string]json.RawMessage{"role": json.RawMessage(`"user"`), "content": all["prompt"]}
	if nothing(all["prompt"]) {
		return Request{}, Unsupported{What: "loading a model"}
	}
	if !nothing(all["images"]) {
		user["images"] = all["images"]
	}
	messages := []map[string]json.RawMessage{user}
	if !nothing(all["system"]) {
		messages = []map[string]json.RawMessage{{"role": json.RawMessage(`"system"`), "content": all["system"]}, user}
	}
	for _, name := range []string{"prompt", "images", "system", "suffix", "template", "context", "raw"} {
		delete(all, name)
	}
	list, err := encode(messages)
	if err != nil {
		return Request{}, err
	}
	all["messages"] = list
	chat, err := encode(all)
	if err != nil {
		return Request{}, err
	}
	return Ollama{}.ReadRequest(chat)
}

// WriteRequest implements [Dialect]: a server that has this API is asked in it
// by its own clients only.
func (Generate) WriteRequest(Request) ([]byte, error) {
	return nil, Unsupported{What: "a conversation"}
}

type generated struct {
	Model    string `json:"model"`
	Created  string `json:"created_at"`
	Response string `json:"response"`
	Thinking string `json:"thinking,omitempty"`
	Done     bool   `json:"done"`
	Reason   string `json:"done_reason,omitempty"`
	Prompt   int    `json:"prompt_eval_count,omitempty"`
	Count    int    `json:"eval_count,omitempty"`
}

// ReadReply implements [Dialect].
func (g Generate) ReadReply(body []byte) (Reply, error) {
	p, err := g.ReadFrame(body)
	if err != nil {
		return Reply{}, err
	}
	if p.Error != "" {
		return Reply{}, Refused{Text: p.Error, Code: p.Code}
	}
	return Reply{Model: p.Model, Created: p.Created, Text: p.Text, Thinking: p.Thinking, Finish: or(p.Finish, Stopped), Usage: p.Usage}, nil
}

// WriteReply implements [Dialect].
func (Generate) WriteReply(r Reply) []byte {
	return must(generated{
		Model: r.Model, Created: stamp(r.Created), Response: r.Text, Thinking: r.Thinking, Done: true,
		Reason: string(or(r.Finish, Stopped)), Prompt: r.Usage.Prompt, Count: r.Usage.Completion,
	})
}

func stamp(created int64) string {
	return time.Unix(orNow(created), 0).UTC().Format(time.RFC3339Nano)
}

// ReadFrame implements [Dialect].
func (Generate) ReadFrame(line []byte) (p Piece, err error) {
	known := false
	err = scan.Object(line, func(key, value []byte) bool {
		switch string(key) {
		case "model":
			p.Model, _ = scan.String(value)
		case "response":
			known = true
			p.Text, _ = scan.String(value)
		case "thinking":
			p.Thinking, _ = scan.String(value)
		case "done":
			known = true
			p.Done = string(value) == "true"
		case "done_reason":
			if word, _ := scan.String(value); word == "length" {
				p.Finish = Length
			} else if word != "" {
				p.Finish = Stopped
			}
		case "prompt_eval_count":
			p.Usage.Prompt, _ = integer(value)
			p.Usage.Known = true
		case "eval_count":
			p.Usage.Completion, _ = integer(value)
			p.Usage.Known = true
		case "error":
			if !nothing(value) {
				refused := failure(value)
				p.Error, p.Code = refused.Text, refused.Code
			}
		}
		return true
	})
	if err != nil || !known && p.Error == "" {
		return Piece{}, foreign(line, err)
	}
	if p.Done && p.Finish == "" {
		p.Finish = Stopped
	}
	return p, nil
}

// NewWriter implements [Dialect].
func (Generate) NewWriter(s Start) Writer { return &generateWriter{model: s.Model} }

type generateWriter struct {
	model  string
	finish Finish
	usage  Usage
}

// Piece implements [Writer].
func (w *generateWriter) Piece(p Piece) []byte {
	var out []byte
	if p.Finish != "" {
		w.finish = p.Finish
	}
	w.usage.Add(p.Usage)
	if p.Text != "" || p.Thinking != "" {
		out = append(append(out, must(generated{Model: w.model, Created: stamp(0), Response: p.Text, Thinking: p.Thinking})...), '\n')
	}
	if p.Done {
		out = append(append(out, must(generated{
			Model: w.model, Created: stamp(0), Done: true, Reason: string(or(w.finish, Stopped)),
			Prompt: w.usage.Prompt, Count: w.usage.Completion,
		})...), '\n')
	}
	return out
}
