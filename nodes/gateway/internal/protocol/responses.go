package chat

import (
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Responses is OpenAI's /v1/responses, as far as a stream of it can be watched:
// see https://platform.openai.com/docs/api-reference/responses-streaming.
// Nothing translates to or from it.
type Responses struct{ OpenAI }

// Path implements [Dialect].
func (Responses) Path() string { return "/v1/responses" }

var errResponses = Unsupported{What: "the Responses API"}

// ReadRequest implements [Dialect]: it can't be read.
func (Responses) ReadRequest([]byte) (Request, error) { return Request{}, errResponses }

// WriteRequest implements [Dialect]: it can't be written.
func (Responses) WriteRequest(Request) ([]byte, error) { return nil, errResponses }

// ReadReply implements [Dialect] for the count of tokens.
func (Responses) ReadReply(body []byte) (Reply, error) {
	r := Reply{Text: "?", Finish: Stopped} // what it says is the client's affair
	err := scan.Object(body, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			r.ID, _ = scan.String(value)
		case "model":
			r.Model, _ = scan.String(value)
		case "usage":
			r.Usage, _ = readUsage(value)
		}
		return true
	})
	if err != nil {
		return Reply{}, foreign(body, err)
	}
	return r, nil
}

// WriteReply implements [Dialect]: no answer is translated into it.
func (Responses) WriteReply(Reply) []byte { return nil }

// ReadFrame implements [Dialect].
func (Responses) ReadFrame(frame []byte) (p Piece, err error) {
	_, data := event(frame)
	switch string(data) {
	case "":
		return notAnEvent(frame)
	case "[DONE]":
		return Piece{Done: true}, nil
	}
	var kind, delta string
	var inner, fault []byte
	err = scan.Object(data, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			kind, _ = scan.String(value)
		case "delta":
			delta, _ = scan.String(value)
		case "response":
			inner = value
		case "error", "message":
			fault = value
		}
		return true
	})
	if err != nil {
		return Piece{}, foreign(data, err)
	}
	switch kind {
	case "response.output_text.delta", "response.refusal.delta":
		p.Text = delta
	case "response.reasoning_text.delta", "response.reasoning_summary_text.delta":
		p.Thinking = delta
	case "response.function_call_arguments.delta":
		p.Calls = []CallPiece{{Arguments: delta}}
	case "response.completed":
		p.Finish, p.Done, p.Usage = Stopped, true, usageInside(inner)
	case "response.incomplete":
		p.Finish, p.Done, p.Usage = Length, true, usageInside(inner)
	case "response.failed":
		p.Error, p.Code = "the response failed", 0
		_ = scan.Object(inner, func(key, value []byte) bool {
			if string(key) == "error" && !nothing(value) {
				refused := failure(value)
				p.Error, p.Code = refused.Text, refused.Code
			}
			return true
		})
	case "error", "":
		if nothing(fault) {
			return Piece{}, foreign(data, nil)
		}
		refused := failure(fault)
		p.Error, p.Code = refused.Text, refused.Code
	}
	return p, nil
}

func usageInside(response []byte) (u Usage) {
	_ = scan.Object(response, func(key, value []byte) bool {
		if string(key) == "usage" {
			u, _ = readUsage(value)
		}
		return true
	})
	return u
}

// ErrorFrame implements [Dialect]: the API has an event of its own for it.
func (d Responses) ErrorFrame(status int, text string) []byte {
	return appendEvent(nil, "error", must(map[string]any{"type": "error", "code": status, "message": text, "param": nil}))
}

// NewWriter implements [Dialect]: nothing is written.
func (Responses) NewWriter(Start) Writer { return silence{} }

type silence struct{}

// Piece implements [Writer].
func (silence) Piece(Piece) []byte { return nil }

// Translates reports whether requests of a dialect can be put to servers that
// speak another.
func Translates(d Dialect) bool {
	switch d.(type) {
	case Completions, Responses:
		return false
	}
	return true
}
