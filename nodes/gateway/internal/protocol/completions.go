package chat

import (
	"bytes"
	"encoding/json"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Completions is OpenAI's older API, /v1/completions, which carries a text on.
// It is no chat: nothing translates to or from it, but any server goes on with
// a text that another began.
type Completions struct{ OpenAI }

// Path implements [Dialect].
func (Completions) Path() string { return "/v1/completions" }

// ReadRequest implements [Dialect], as far as a text that broke off has to be
// carried on. The rest of the request is kept in Options.
func (Completions) ReadRequest(body []byte) (Request, error) {
	var all map[string]json.RawMessage
	if err := decode(body, &all, "a completion request"); err != nil {
		return Request{}, err
	}
	r := Request{Options: all}
	prompt, ok := scan.String(all["prompt"])
	if !ok {
		return Request{}, Unsupported{What: "a prompt that is not one text"}
	}
	if !nothing(all["suffix"]) {
		return Request{}, Unsupported{What: "a suffix"}
	}
	if n, ok := integer(all["n"]); ok && n > 1 {
		return Request{}, Unsupported{What: "n above 1"}
	}
	if !nothing(all["echo"]) {
		return Request{}, Unsupported{What: "echo"}
	}
	r.Prompt = prompt
	r.Model, _ = scan.String(all["model"])
	r.Stream = string(all["stream"]) == "true"
	r.MaxTokens, _ = integer(all["max_tokens"])
	r.Usage = bytes.Contains(all["stream_options"], []byte("true"))
	return r, nil
}

// WriteRequest implements [Dialect] for what ReadRequest returned.
func (Completions) WriteRequest(r Request) ([]byte, error) {
	if len(r.Messages) > 0 {
		return nil, Unsupported{What: "a conversation"}
	}
	out := make(map[string]json.RawMessage, len(r.Options)+2)
	for name, value := range r.Options {
		out[name] = value
	}
	out["prompt"], out["model"] = scan.AppendString(nil, r.Prompt), scan.AppendString(nil, r.Model)
	if r.Stream {
		out["stream"] = json.RawMessage("true")
	}
	if r.MaxTokens > 0 {
		out["max_tokens"] = must(r.MaxTokens)
	}
	return encode(out)
}

type completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *openAIUsage       `json:"usage,omitempty"`
}

type completionChoice struct {
	Text   string  `json:"text"`
	Index  int     `json:"index"`
	Finish *string `json:"finish_reason"`
}

// ReadReply implements [Dialect].
func (Completions) ReadReply(body []byte) (Reply, error) {
	p, err := readCompletion(body)
	if err != nil {
		return Reply{}, err
	}
	if p.Error != "" {
		return Reply{}, Refused{Text: p.Error, Code: p.Code}
	}
	return Reply{ID: p.ID, Model: p.Model, Created: p.Created, Text: p.Text, Finish: or(p.Finish, Stopped), Usage: p.Usage}, nil
}

// WriteReply implements [Dialect].
func (Completions) WriteReply(r Reply) []byte {
	finish := string(or(r.Finish, Stopped))
	c := completion{
		ID: orNew(r.ID, "cmpl-"), Object: "text_completion", Created: orNow(r.Created), Model: r.Model,
		Choices: []completionChoice{{Text: r.Text, Finish: &finish}},
	}
	c.count(r.Usage)
	return must(c)
}

func (c *completion) count(u Usage) {
	if u.Known {
		c.Usage = &openAIUsage{u.Prompt, u.Completion, u.Prompt + u.Completion}
	}
}

// ReadFrame implements [Dialect].
func (Completions) ReadFrame(frame []byte) (Piece, error) {
	_, data := event(frame)
	switch string(data) {
	case "":
		return notAnEvent(frame)
	case "[DONE]":
		return Piece{Done: true}, nil
	}
	return readCompletion(data)
}

// notAnEvent is what a frame without data says: nothing, if it is of a
// stream of events at all.
func notAnEvent(frame []byte) (Piece, error) {
	for line := range bytes.SplitSeq(frame, []byte("\n")) {
		field, _, ok := bytes.Cut(line, []byte(":"))
		switch string(field) {
		case "", "event", "id", "retry", "data":
			if ok || len(bytes.TrimSpace(line)) == 0 {
				continue
			}
		}
		return Piece{}, foreign(frame, nil)
	}
	return Piece{}, nil
}

func readCompletion(data []byte) (p Piece, err error) {
	known := false
	err = scan.Object(data, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			p.ID, _ = scan.String(value)
		case "model":
			p.Model, _ = scan.String(value)
		case "created":
			created, _ := integer(value)
			p.Created = int64(created)
		case "choices":
			known = true
			_ = scan.Array(value, func(choice []byte) bool {
				readCompletionChoice(choice, &p)
				return false
			})
		case "usage":
			p.Usage, _ = readUsage(value) // a count that is none tells nothing
		case "error":
			if !nothing(value) {
				refused := failure(value)
				p.Error, p.Code = refused.Text, refused.Code
			}
		}
		return true
	})
	if err != nil || !known && p.Error == "" {
		return Piece{}, foreign(data, err)
	}
	return p, nil
}

func readCompletionChoice(choice []byte, p *Piece) {
	_ = scan.Object(choice, func(key, value []byte) bool {
		switch string(key) {
		case "text":
			p.Text, _ = scan.String(value)
		case "finish_reason":
			word, _ := scan.String(value)
			p.Finish, p.Error = readOpenAIFinish([]byte(word))
		}
		return true
	})
}

// NewWriter implements [Dialect].
func (Completions) NewWriter(s Start) Writer {
	return &completionWriter{start: s, id: orNew(s.ID, "cmpl-"), created: orNow(s.Created)}
}

type completionWriter struct {
	start   Start
	id      string
	created int64
	finish  Finish
	usage   Usage
}

// Piece implements [Writer].
func (w *completionWriter) Piece(p Piece) []byte {
	var out []byte
	if p.Finish != "" {
		w.finish = p.Finish
	}
	w.usage.Add(p.Usage)
	if p.Text != "" {
		out = appendEvent(out, "", must(w.frame(completionChoice{Text: p.Text})))
	}
	if !p.Done {
		return out
	}
	finish := string(or(w.finish, Stopped))
	out = appendEvent(out, "", must(w.frame(completionChoice{Finish: &finish})))
	if w.start.Usage && w.usage.Known {
		counted := w.frame()
		counted.count(w.usage)
		out = appendEvent(out, "", must(counted))
	}
	return appendEvent(out, "", []byte("[DONE]"))
}

func (w *completionWriter) frame(choices ...completionChoice) completion {
	if choices == nil {
		choices = []completionChoice{}
	}
	return completion{ID: w.id, Object: "text_completion", Created: w.created, Model: w.start.Model, Choices: choices}
}
