package lmstudio

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/openaichat"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Causes of errors that callers tell apart: the server lacks the route, or has
// no such download.
var (
	errNoRoute = errors.New("no such route")
	errNoJob   = errors.New("no such download")
)

// unknownRoute is LM Studio's text for an unknown route. Its status is 200.
const unknownRoute = "unexpected endpoint or method"

// reading is a fault and the texts by which it is recognized, in lower case. The
// first reading that matches counts: the reason of a failed load is part of a
// general sentence, so that the reasons come first.
type reading struct {
	words  []string
	fault  nodes.Fault
	remedy string
}

func readings() []reading {
	return []reading{
		{[]string{"snapshot of system resources failed"}, nodes.LoadFailed,
			"restart LM Studio on the node: every load fails until then"},
		{[]string{"insufficient system resources", "out of memory", "outofmemory", "outofdevicememory", "not enough memory", "insufficient memory",
			"insufficient vram", "failed to allocate", "unable to allocate", "cudamalloc failed"}, nodes.OutOfMemory,
			"unload other models, choose a smaller context_length or model, or relax the model loading guardrails in LM Studio's settings"},
		{[]string{"does not support images", "vision add-on is not loaded"}, nodes.Unsupported, ""},
		{[]string{"no models loaded", "is not loaded", "model unloaded", "model is unloaded", "no model loaded"}, nodes.NotLoaded, ""},
		{[]string{"does not fit in context", "context the overflows", "greater than the context length", "context size has been exceeded",
			"exceeds the context", "maximum context length"}, nodes.TooLong,
			"shorten the prompt, or load the model with a larger context_length"},
		{[]string{"failed to load model", "error loading model", "model loading was stopped"}, nodes.LoadFailed,
			"see LM Studio's own log on the node for the reason"},
		{[]string{"model has crashed", "devicelost", "device lost", "model process exited"}, nodes.Crashed, ""},
	}
}

// classify returns the fault of LM Studio's error answers, which are strings or
// objects. Their status says little.
func classify(status int, header http.Header, body []byte) *nodes.Error {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil
	}
	text := strings.ToLower(wire.ErrorText(body))
	if strings.Contains(text, unknownRoute) {
		return &nodes.Error{Fault: nodes.Protocol, Err: errNoRoute}
	}
	if text == "" {
		text = strings.ToLower(string(body))
	}
	kind, code := errorKind(body)
	for _, r := range readings() {
		if kind == "model_load_failed" && r.fault == nodes.Crashed {
			continue // the process died during the load
		}
		for _, words := range r.words {
			if strings.Contains(text, words) {
				return &nodes.Error{Fault: r.fault, Remedy: r.remedy}
			}
		}
	}
	switch {
	case kind == "model_load_failed":
		return &nodes.Error{Fault: nodes.LoadFailed, Remedy: "see LM Studio's own log on the node for the reason"}
	case code == "invalid_api_key":
		return &nodes.Error{Fault: nodes.Unauthorized}
	case kind == "model_not_found", code == "model_not_found":
		return &nodes.Error{Fault: nodes.ModelNotFound}
	case kind == "job_not_found":
		return &nodes.Error{Fault: nodes.BadRequest, Err: errNoJob}
	}
	if e := openaichat.Classify(status, header, body); e != nil {
		return e
	}
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		// Other servers' answer to an unknown route.
		return &nodes.Error{Fault: nodes.BadRequest, Err: errNoRoute}
	}
	return nil
}

// errorKind returns the type and the code of an error, or "".
func errorKind(body []byte) (kind, code string) {
	var e struct {
		Error struct {
			Type any `json:"type"`
			Code any `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &e) // an error that is a string has neither
	kind, _ = e.Error.Type.(string)
	code, _ = e.Error.Code.(string)
	return kind, code
}

// isLMStudio reports whether an error has a text that only LM Studio sends.
func isLMStudio(err error) bool {
	var e *nodes.Error
	return errors.As(err, &e) && strings.Contains(strings.ToLower(e.Detail), unknownRoute)
}
