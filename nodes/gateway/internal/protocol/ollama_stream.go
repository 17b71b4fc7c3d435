package chat

import (
	"bytes"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// ReadFrame implements [Dialect]. It runs for each line that passes through a
// gateway, so it takes the JSON apart by hand.
func (Ollama) ReadFrame(frame []byte) (Piece, error) {
	if frame = bytes.TrimSpace(frame); len(frame) == 0 {
		return Piece{}, nil
	}
	var p Piece
	var message, reason, failed []byte
	known := false
	err := scan.Object(frame, func(key, value []byte) bool {
		switch string(key) {
		case "model":
			p.Model, _ = scan.String(value)
		case "created_at":
			if len(value) > 2 {
				if at, err := time.Parse(time.RFC3339, string(value[1:len(value)-1])); err == nil {
					p.Created = at.Unix()
				}
			}
		case "message":
			message = value
		case "done":
			known, p.Done = true, string(value) == "true"
		case "done_reason":
			reason = value
		case "prompt_eval_count":
			if n, ok := integer(value); ok {
				p.Usage.Prompt, p.Usage.Known = n, true
			}
		case "eval_count":
			if n, ok := integer(value); ok {
				p.Usage.Completion, p.Usage.Known = n, true
			}
		case "error":
			failed = value
		}
		return true
	})
	switch {
	case err != nil:
		return Piece{}, foreign(frame, err)
	case !nothing(failed):
		return failure(failed).piece(), nil
	case message == nil && !known:
		return Piece{}, foreign(frame, nil)
	}
	if p.Done {
		word, _ := scan.String(reason)
		if p.Finish = readOllamaFinish(word); word == "load" || word == "unload" {
			p.Finish = "" // that was no answer
		}
	}
	if !nothing(message) {
		if err := p.readMessage(message); err != nil {
			return Piece{}, foreign(frame, err)
		}
	}
	return p, nil
}

func (p *Piece) readMessage(raw []byte) error {
	var list []byte
	err := scan.Object(raw, func(key, value []byte) bool {
		switch string(key) {
		case "content":
			p.Text, _ = scan.String(value)
		case "thinking":
			p.Thinking, _ = scan.String(value)
		case "tool_calls":
			list = value
		}
		return true
	})
	if err != nil || nothing(list) {
		return err
	}
	var inner error
	err = scan.Array(list, func(value []byte) bool {
		var call CallPiece
		call, inner = readCallPiece(value, len(p.Calls))
		call.ID = orNew(call.ID, "call_") // a call comes whole
		p.Calls = append(p.Calls, call)
		return inner == nil
	})
	if err != nil {
		return err
	}
	return inner
}

// NewWriter implements [Dialect].
func (Ollama) NewWriter(s Start) Writer {
	head := append([]byte(`{"model":`), must(s.Model)...)
	head = append(append(head, `,"created_at":`...), must(writeTime(s.Created))...)
	return &ollamaWriter{head: append(head, `,"message":{"role":"assistant","content":`...)}
}

type ollamaWriter struct {
	head   []byte // of each line, up to its content
	closed bool
	calls  calls
	finish Finish
	usage  Usage
	out    []byte
}

// Piece implements [Writer]. The calls are written at the end: Ollama's come
// whole.
func (w *ollamaWriter) Piece(p Piece) []byte {
	w.out = w.out[:0]
	if w.closed {
		return nil
	}
	if p.Error != "" {
		w.closed = true
		return Ollama{}.ErrorFrame(p.Code, p.Error)
	}
	w.finish = or(p.Finish, w.finish)
	w.usage.Add(p.Usage)
	for _, c := range p.Calls {
		w.calls.add(c)
	}
	if p.Text != "" || p.Thinking != "" {
		w.out = scan.AppendString(append(w.out, w.head...), p.Text)
		if p.Thinking != "" {
			w.out = scan.AppendString(append(w.out, `,"thinking":`...), p.Thinking)
		}
		w.out = append(w.out, "},\"done\":false}\n"...)
	}
	if p.Done {
		w.close()
	}
	return w.out
}

func (w *ollamaWriter) close() {
	w.closed = true
	if len(w.calls.list) > 0 {
		var list []Call
		for _, c := range w.calls.list {
			list = append(list, Call{ID: orNew(c.id, "call_"), Name: c.name, Arguments: c.arguments.String()})
		}
		w.out = append(append(w.out, w.head...), `"","tool_calls":`...)
		w.out = append(append(w.out, must(writeOllamaCalls(list))...), "},\"done\":false}\n"...)
	}
	w.out = append(append(w.out, w.head...), `""},"done":true,"done_reason":`...)
	w.out = append(w.out, must(writeOllamaFinish(w.finish))...)
	if w.usage.Known {
		counts := must(struct {
			Prompt int `json:"prompt_eval_count"`
			Eval   int `json:"eval_count"`
		}{w.usage.Prompt, w.usage.Completion})
		w.out = append(append(w.out, ','), counts[1:len(counts)-1]...)
	}
	w.out = append(w.out, "}\n"...)
}
