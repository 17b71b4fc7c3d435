// Package responses is the codec of OpenAI's /v1/responses. It reads answers
// only, see
// https://platform.openai.com/docs/api-reference/responses-streaming: requests
// are not translated.
package responses

import (
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Codec is the codec of /v1/responses. It implements [protocol.Codec].
type Codec struct{ openai.Errors }

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/v1/responses" }

// Events implements [protocol.Codec].
func (Codec) Events() bool { return true }

// EndMark implements [protocol.Codec]: the last event has the finish reason.
func (Codec) EndMark() []byte { return nil }

// ErrorFrame implements [protocol.ErrorWriter]: the API has an event for it.
func (Codec) ErrorFrame(status int, text string) []byte {
	return codec.AppendEvent(nil, "error", codec.MustEncode(map[string]any{
		"type": "error", "code": status, "message": text, "param": nil,
	}))
}

// ReadReply implements [protocol.Codec]. It reads the token counts and what
// identifies the answer; the text is always "?".
func (Codec) ReadReply(body []byte) (protocol.Reply, error) {
	r := protocol.Reply{Text: "?", Finish: protocol.FinishStop}
	var failed []byte
	err := scan.Object(body, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			r.ID, _ = scan.String(value)
		case "model":
			r.Model, _ = scan.String(value)
		case "usage":
			r.Usage, _ = codec.ReadUsage(value) // malformed counts are none
		case "error":
			failed = value
		}
		return true
	})
	switch {
	case err != nil:
		return protocol.Reply{}, codec.Foreign(body, err)
	case !codec.IsDefault(failed):
		return protocol.Reply{}, codec.ReadError(failed)
	}
	return r, nil
}

// event has the members of a frame that are read.
type event struct {
	kind, delta      string
	response, failed []byte
}

func parseEvent(data []byte) (e event, err error) {
	err = scan.Object(data, func(name, value []byte) bool {
		switch string(name) {
		case "type":
			e.kind, _ = scan.String(value)
		case "delta":
			e.delta, _ = scan.String(value)
		case "response":
			e.response = value
		case "error", "message":
			e.failed = value
		}
		return true
	})
	return e, err
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
	e, err := parseEvent(data)
	if err != nil {
		return protocol.Delta{}, codec.Foreign(data, err)
	}
	switch e.kind {
	case "response.output_text.delta", "response.refusal.delta":
		return protocol.Delta{Text: e.delta}, nil
	case "response.reasoning_text.delta", "response.reasoning_summary_text.delta":
		return protocol.Delta{Thinking: e.delta}, nil
	case "response.function_call_arguments.delta":
		return protocol.Delta{ToolCalls: []protocol.ToolCallDelta{{Arguments: e.delta}}}, nil
	case "response.completed":
		return protocol.Delta{Finish: protocol.FinishStop, Done: true, Usage: e.usage()}, nil
	case "response.incomplete":
		return protocol.Delta{Finish: protocol.FinishLength, Done: true, Usage: e.usage()}, nil
	case "response.failed":
		return e.serverError().Delta(), nil
	case "error", "":
		if codec.IsDefault(e.failed) {
			return protocol.Delta{}, codec.Foreign(data, nil)
		}
		return codec.ReadError(e.failed).Delta(), nil
	}
	return protocol.Delta{}, nil
}

// usage returns the counts of the response that an event holds.
func (e event) usage() (u protocol.Usage) {
	_ = scan.Object(e.response, func(name, value []byte) bool {
		if string(name) == "usage" {
			u, _ = codec.ReadUsage(value)
		}
		return true
	})
	return u
}

// serverError returns the error of the response that an event holds.
func (e event) serverError() protocol.ServerError {
	failed := protocol.ServerError{Message: "the response failed"}
	_ = scan.Object(e.response, func(name, value []byte) bool {
		if string(name) == "error" && !codec.IsDefault(value) {
			failed = codec.ReadError(value)
		}
		return true
	})
	return failed
}
