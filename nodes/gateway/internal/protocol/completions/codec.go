// Package completions is the codec of OpenAI's older /v1/completions, which
// continues a text. It is no chat and is not translated, but any server continues
// a text that another one began.
package completions

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Codec is the codec of /v1/completions. It implements [protocol.Resumer].
type Codec struct{ openai.Errors }

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/v1/completions" }

// Events implements [protocol.Codec].
func (Codec) Events() bool { return true }

// EndMark implements [protocol.Codec].
func (Codec) EndMark() []byte { return openai.Codec{}.EndMark() }

// WantsUsage implements [protocol.StreamCodec].
func (Codec) WantsUsage(request []byte) bool { return openai.IncludesUsage(request) }

// ResumeRequest implements [protocol.Resumer]: the text so far is a part of the
// prompt.
func (Codec) ResumeRequest(request []byte, model, text string, spent int) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := codec.Decode(request, &members, "a completion request"); err != nil {
		return nil, err
	}
	prompt, ok := scan.String(members["prompt"])
	n, _ := codec.Integer(members["n"])
	switch {
	case !ok:
		return nil, protocol.UnsupportedError{Feature: "a prompt that is not one text"}
	case !codec.IsDefault(members["suffix"]):
		return nil, protocol.UnsupportedError{Feature: "a suffix"}
	case n > 1:
		return nil, protocol.UnsupportedError{Feature: "n above 1"}
	case !codec.IsDefault(members["echo"]):
		return nil, protocol.UnsupportedError{Feature: "echo"}
	}
	members["prompt"] = scan.AppendString(nil, prompt+text)
	members["model"] = scan.AppendString(nil, model)
	members["stream"] = json.RawMessage("true")
	if limit, _ := codec.Integer(members["max_tokens"]); limit > 0 {
		members["max_tokens"] = codec.MustEncode(max(limit-spent, 1))
	}
	return codec.EncodeRequest(members, model)
}

type reply struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Choices []choice      `json:"choices"`
	Usage   *openai.Usage `json:"usage,omitempty"`
}

type choice struct {
	Text   string  `json:"text"`
	Index  int     `json:"index"`
	Finish *string `json:"finish_reason"`
}

// ReadReply implements [protocol.Codec].
func (Codec) ReadReply(body []byte) (protocol.Reply, error) {
	d, err := readChunk(body)
	if err != nil {
		return protocol.Reply{}, err
	}
	if d.Error != "" {
		return protocol.Reply{}, protocol.ServerError{Message: d.Error, Status: d.Status}
	}
	return protocol.Reply{
		ID: d.ID, Model: d.Model, Created: d.Created, Text: d.Text,
		Finish: cmp.Or(d.Finish, protocol.FinishStop), Usage: d.Usage,
	}, nil
}

// ReadFrame implements [protocol.Codec].
func (Codec) ReadFrame(frame []byte) (protocol.Delta, error) {
	_, data := codec.ParseEvent(frame)
	switch string(data) {
	case "":
		if !codec.IsEvent(frame) {
			return protocol.Delta{}, codec.Foreign(frame, nil)
		}
		return protocol.Delta{}, nil
	case "[DONE]":
		return protocol.Delta{Done: true}, nil
	}
	return readChunk(data)
}

func readChunk(data []byte) (protocol.Delta, error) {
	var d protocol.Delta
	known := false
	err := scan.Object(data, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			d.ID, _ = scan.String(value)
		case "model":
			d.Model, _ = scan.String(value)
		case "created":
			created, _ := codec.Integer(value)
			d.Created = int64(created)
		case "choices":
			known = true
			readChoice(value, &d)
		case "usage":
			d.Usage, _ = codec.ReadUsage(value) // malformed counts are none
		case "error":
			if !codec.IsDefault(value) {
				e := codec.ReadError(value)
				d.Error, d.Status = e.Message, e.Status
			}
		}
		return true
	})
	if err != nil || !known && d.Error == "" {
		return protocol.Delta{}, codec.Foreign(data, err)
	}
	return d, nil
}

// readChoice reads the first of the choices. Malformed ones have no text.
func readChoice(choices []byte, d *protocol.Delta) {
	_ = scan.Array(choices, func(choice []byte) bool {
		_ = scan.Object(choice, func(name, value []byte) bool {
			switch string(name) {
			case "text":
				d.Text, _ = scan.String(value)
			case "finish_reason":
				reason, _ := scan.String(value)
				d.Finish, d.Error = openai.ReadFinish(reason)
			}
			return true
		})
		return false
	})
}

// NewWriter implements [protocol.StreamCodec].
func (Codec) NewWriter(s protocol.StreamInfo) protocol.StreamWriter {
	return &writer{info: s, id: codec.NewID(s.ID, "cmpl-"), created: codec.Created(s.Created)}
}

type writer struct {
	info    protocol.StreamInfo
	id      string
	created int64
	closed  bool
	finish  protocol.Finish
	usage   protocol.Usage
}

// Write implements [protocol.StreamWriter].
func (w *writer) Write(d protocol.Delta) []byte {
	if w.closed {
		return nil
	}
	if d.Error != "" {
		w.closed = true
		return Codec{}.ErrorFrame(cmp.Or(d.Status, http.StatusInternalServerError), d.Error)
	}
	w.finish = cmp.Or(d.Finish, w.finish)
	w.usage.Add(d.Usage)
	var out []byte
	if d.Text != "" {
		out = w.appendFrame(out, nil, choice{Text: d.Text})
	}
	if !d.Done {
		return out
	}
	w.closed = true
	finish := string(cmp.Or(w.finish, protocol.FinishStop))
	out = w.appendFrame(out, nil, choice{Finish: &finish})
	if w.info.IncludeUsage && w.usage.Known {
		out = w.appendFrame(out, openai.WriteUsage(w.usage))
	}
	return append(out, Codec{}.EndMark()...)
}

func (w *writer) appendFrame(to []byte, usage *openai.Usage, choices ...choice) []byte {
	if choices == nil {
		choices = []choice{}
	}
	return codec.AppendEvent(to, "", codec.MustEncode(reply{
		ID: w.id, Object: "text_completion", Created: w.created, Model: w.info.Model, Choices: choices, Usage: usage,
	}))
}
