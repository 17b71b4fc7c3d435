package openaichat

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// protocolError is an error of the protocol.
type protocolError struct {
	text string
	kind string // "type"
	name string // "code" where it is a word
	code int    // "code" where it is a number
}

func parseError(body []byte) protocolError {
	e := protocolError{text: wire.ErrorText(body)}
	type fields struct {
		Type json.RawMessage `json:"type"`
		Code json.RawMessage `json:"code"`
	}
	var nested struct {
		Error fields `json:"error"`
		fields
	}
	_ = json.Unmarshal(body, &nested) // another shape has neither
	if nested.Error.Type == nil && nested.Error.Code == nil {
		nested.Error = nested.fields
	}
	_ = json.Unmarshal(nested.Error.Type, &e.kind)
	if json.Unmarshal(nested.Error.Code, &e.code) != nil && json.Unmarshal(nested.Error.Code, &e.name) == nil {
		if n, err := strconv.Atoi(e.name); err == nil {
			e.code, e.name = n, ""
		}
	}
	return e
}

// tooLong are the servers' texts for a prompt that does not fit.
var tooLong = []string{
	"maximum context length",                 // vLLM
	"exceeds the available context size",     // llama.cpp
	"exceed context size",                    // llama.cpp
	"does not fit in context",                // LM Studio
	"greater than the context length",        // LM Studio
	"context the overflows",                  // LM Studio
	"longer than the model's context length", // SGLang
	"exceeds the context window",
	"prompt is too long",
}

// crashed are the servers' texts for a dead model process.
var crashed = []string{
	"model has crashed",      // LM Studio
	"enginecore encountered", // vLLM
	"enginedeaderror",        // vLLM
}

// Classify returns the fault of the errors that OpenAI-compatible servers have in
// common: an unknown model, a prompt that is too long, a dead model process. It
// returns nil for all others. Engines call it after their own classification.
func Classify(status int, _ http.Header, body []byte) *nodes.Error {
	e := parseError(body)
	text := strings.ToLower(e.text)
	if text == "" {
		text = strings.ToLower(string(body))
	}
	has := func(list []string) bool {
		for _, words := range list {
			if strings.Contains(text, words) {
				return true
			}
		}
		return false
	}
	switch {
	case e.name == "context_length_exceeded", e.kind == "exceed_context_size_error", has(tooLong):
		return &nodes.Error{Fault: nodes.TooLong, Remedy: "shorten the prompt, or load the model with a larger context"}
	case has(crashed):
		return &nodes.Error{Fault: nodes.Crashed}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return nil
	case e.name == "model_not_found", e.kind == "model_not_found",
		status == http.StatusNotFound && strings.Contains(text, "model") && wire.ErrorText(body) != "":
		return &nodes.Error{Fault: nodes.ModelNotFound}
	}
	return nil
}
