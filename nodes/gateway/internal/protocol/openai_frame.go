package chat

import (
	"bytes"
	"unicode/utf8"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// ReadFrame implements [Dialect]. It runs for each frame that passes through a
// gateway, so it takes the JSON apart by hand.
func (OpenAI) ReadFrame(frame []byte) (Piece, error) {
	name, data := event(frame)
	switch {
	case string(data) == "[DONE]":
		return Piece{Done: true}, nil
	case len(data) == 0 && string(name) != "error":
		return Piece{}, nil
	}
	var p Piece
	var id, model, choices, usage, object, failed []byte
	err := scan.Object(data, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			id = value
		case "model":
			model = value
		case "created":
			n, _ := integer(value)
			p.Created = int64(n)
		case "choices":
			choices = value
		case "usage":
			usage = value
		case "object":
			object = value
		case "error":
			failed = value
		}
		return true
	})
	switch {
	case err == nil && !nothing(failed):
		return failure(failed).piece(), nil
	case string(name) == "error", err == nil && string(object) == `"error"`:
		return failure(data).piece(), nil
	case err != nil:
		return Piece{}, foreign(frame, err)
	case choices == nil && nothing(usage) && string(object) != `"chat.completion.chunk"`:
		return Piece{}, foreign(frame, nil)
	}
	p.ID, p.Model = two(id, model)
	if !nothing(usage) {
		if p.Usage, err = readUsage(usage); err != nil {
			return Piece{}, foreign(frame, err)
		}
	}
	if !nothing(choices) {
		if err := p.readChoices(choices); err != nil {
			return Piece{}, foreign(frame, err)
		}
	}
	return p, nil
}

// piece is the failure as a frame of a stream.
func (r Refused) piece() Piece { return Piece{Error: r.Text, Code: r.Code} }

// two returns two texts for the price of one: almost every frame has both.
func two(a, b []byte) (string, string) {
	if !plain(a) || !plain(b) {
		first, _ := scan.String(a)
		second, _ := scan.String(b)
		return first, second
	}
	var space [128]byte
	both := string(append(append(space[:0], a[1:len(a)-1]...), b[1:len(b)-1]...))
	return both[:len(a)-2], both[len(a)-2:]
}

func plain(raw []byte) bool {
	return len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw)
}

// readUsage reads what servers of OpenAI's and Anthropic's API count.
func readUsage(raw []byte) (u Usage, err error) {
	err = scan.Object(raw, func(key, value []byte) bool {
		n, ok := integer(value)
		if !ok {
			return true
		}
		switch string(key) {
		case "prompt_tokens", "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens":
			u.Prompt += n // Anthropic counts what its cache had beside the rest
			u.Known = true
		case "completion_tokens", "output_tokens":
			u.Completion = n
			u.Known = true
		}
		return true
	})
	return u, err
}

func (p *Piece) readChoices(raw []byte) error {
	var inner error
	err := scan.Array(raw, func(choice []byte) bool {
		first := true
		var delta, finish []byte
		inner = scan.Object(choice, func(key, value []byte) bool {
			switch string(key) {
			case "index":
				first = string(value) == "0"
			case "delta":
				delta = value
			case "finish_reason":
				finish = value
			}
			return true
		})
		if inner != nil || !first {
			return inner == nil
		}
		if len(finish) > 2 && finish[0] == '"' {
			p.Finish, p.Error = readOpenAIFinish(finish[1 : len(finish)-1])
		}
		if !nothing(delta) {
			inner = p.readDelta(delta)
		}
		return inner == nil
	})
	if err != nil {
		return err
	}
	return inner
}

func (p *Piece) readDelta(raw []byte) error {
	var thinking, function, list []byte
	err := scan.Object(raw, func(key, value []byte) bool {
		switch string(key) {
		case "content":
			p.Text, _ = scan.String(value)
		case "refusal":
			if text, ok := scan.String(value); ok {
				p.Text += text
			}
		case "reasoning", "reasoning_content": // some send both, the same
			if len(value) > 2 && value[0] == '"' {
				thinking = value
			}
		case "tool_calls":
			list = value
		case "function_call":
			function = value
		}
		return true
	})
	if err != nil {
		return err
	}
	if thinking != nil {
		p.Thinking, _ = scan.String(thinking)
	}
	if !nothing(function) { // the older form, of one call at most
		var call CallPiece
		if err := call.readFunction(function); err != nil {
			return err
		}
		p.Calls = append(p.Calls, call)
	}
	if nothing(list) {
		return nil
	}
	var inner error
	err = scan.Array(list, func(value []byte) bool {
		var call CallPiece
		call, inner = readCallPiece(value, len(p.Calls))
		p.Calls = append(p.Calls, call)
		return inner == nil
	})
	if err != nil {
		return err
	}
	return inner
}

// readCallPiece reads a part of a call, in OpenAI's or in Ollama's form.
func readCallPiece(raw []byte, index int) (CallPiece, error) {
	call := CallPiece{Index: index}
	var function []byte
	err := scan.Object(raw, func(key, value []byte) bool {
		switch string(key) {
		case "index":
			if n, ok := integer(value); ok {
				call.Index = n
			}
		case "id":
			call.ID, _ = scan.String(value)
		case "function":
			function = value
		}
		return true
	})
	if err == nil && !nothing(function) {
		err = call.readFunction(function)
	}
	return call, err
}

func (c *CallPiece) readFunction(raw []byte) error {
	return scan.Object(raw, func(key, value []byte) bool {
		switch string(key) {
		case "index": // Ollama's place for it
			if n, ok := integer(value); ok {
				c.Index = n
			}
		case "name":
			c.Name, _ = scan.String(value)
		case "arguments":
			if text, ok := scan.String(value); ok {
				c.Arguments = text
			} else if string(value) != "null" {
				c.Arguments = string(value)
			}
		}
		return true
	})
}
