package chat

import "github.com/turbone/jarvis/nodes/gateway/internal/scan"

// ReadFrame implements [Dialect]. It runs for each frame that passes through a
// gateway, so it takes the JSON apart by hand. Events of a type that it doesn't
// know say nothing, as the API wants it of its clients.
func (Anthropic) ReadFrame(frame []byte) (Piece, error) {
	name, data := event(frame)
	switch {
	case string(data) == "[DONE]": // no part of the API, but some servers end so
		return Piece{Done: true}, nil
	case len(data) == 0 && string(name) != "error":
		return Piece{}, nil
	}
	var kind, index, message, block, delta, usage, failed []byte
	err := scan.Object(data, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			kind = value
		case "index":
			index = value
		case "message":
			message = value
		case "content_block":
			block = value
		case "delta":
			delta = value
		case "usage":
			usage = value
		case "error":
			failed = value
		}
		return true
	})
	switch {
	case err == nil && !nothing(failed):
		return failure(failed).piece(), nil
	case string(name) == "error", err == nil && string(kind) == `"error"`:
		return failure(data).piece(), nil
	case err != nil:
		return Piece{}, foreign(frame, err)
	case len(kind) < 2 || kind[0] != '"':
		return Piece{}, foreign(frame, nil)
	}
	var p Piece
	switch string(kind[1 : len(kind)-1]) {
	case "message_start":
		err = p.readStart(message)
	case "content_block_start":
		err = p.readBlock(block, index)
	case "content_block_delta":
		err = p.readBlockDelta(delta, index)
	case "message_delta":
		err = p.readEnd(delta, usage)
	case "message_stop":
		p.Done = true
	}
	if err != nil {
		return Piece{}, foreign(frame, err)
	}
	return p, nil
}

func (p *Piece) readStart(message []byte) error {
	var id, model, usage []byte
	err := scan.Object(message, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			id = value
		case "model":
			model = value
		case "usage":
			usage = value
		}
		return true
	})
	p.ID, p.Model = two(id, model)
	if err == nil && !nothing(usage) {
		p.Usage, err = readUsage(usage)
	}
	return err
}

// readBlock reads the beginning of a block, which mostly is empty.
func (p *Piece) readBlock(block, index []byte) error {
	var kind, id, name, input []byte
	var text, thinking string
	err := scan.Object(block, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			kind = value
		case "id":
			id = value
		case "name":
			name = value
		case "input":
			input = value
		case "text":
			text, _ = scan.String(value)
		case "thinking":
			thinking, _ = scan.String(value)
		}
		return true
	})
	switch string(kind) {
	case `"text"`:
		p.Text = text
	case `"thinking"`:
		p.Thinking = thinking
	case `"tool_use"`:
		var call CallPiece
		call.Index, _ = integer(index)
		call.ID, call.Name = two(id, name)
		call.ID = orNew(call.ID, "call_")
		if !nothing(input) {
			call.Arguments = string(input)
		}
		p.Calls = []CallPiece{call}
	}
	return err
}

func (p *Piece) readBlockDelta(delta, index []byte) error {
	var kind, text, thinking, part []byte
	err := scan.Object(delta, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			kind = value
		case "text":
			text = value
		case "thinking":
			thinking = value
		case "partial_json":
			part = value
		}
		return true
	})
	switch string(kind) {
	case `"text_delta"`:
		p.Text, _ = scan.String(text)
	case `"thinking_delta"`:
		p.Thinking, _ = scan.String(thinking)
	case `"input_json_delta"`:
		var call CallPiece
		call.Index, _ = integer(index)
		call.Arguments, _ = scan.String(part)
		p.Calls = []CallPiece{call}
	}
	return err
}

func (p *Piece) readEnd(delta, usage []byte) (err error) {
	if !nothing(delta) {
		err = scan.Object(delta, func(key, value []byte) bool {
			if string(key) == "stop_reason" {
				reason, _ := scan.String(value)
				p.Finish = readAnthropicFinish(reason)
			}
			return true
		})
	}
	if err == nil && !nothing(usage) {
		p.Usage, err = readUsage(usage)
	}
	return err
}
