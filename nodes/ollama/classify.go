package ollama

import (
	"net/http"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// words are the texts by which the server's faults are recognized, in lower case.
// The first one found counts, so that narrower ones come first.
var words = []struct {
	said   string
	fault  nodes.Fault
	remedy string
}{
	{"does not support chat", nodes.ModelNotFound, gone},
	{"does not support generate", nodes.ModelNotFound, gone},
	{"does not support thinking", nodes.BadRequest, ""},
	{"try pulling it first", nodes.ModelNotFound, pull},
	{"file does not exist", nodes.ModelNotFound, pull},
	{"no such file or directory", nodes.ModelNotFound, pull},

	{"server busy", nodes.Busy, ""},
	{"maximum pending requests exceeded", nodes.Busy, ""},
	{"server is busy", nodes.Busy, ""},

	{"input length exceeds the context length", nodes.TooLong, ""},
	{"exceeds the available context size", nodes.TooLong, ""},
	{"exceed_context_size_error", nodes.TooLong, ""},
	{"exceeds maximum context length", nodes.TooLong, ""},
	{"prompt is too long", nodes.TooLong, ""},

	{"requires more system memory", nodes.OutOfMemory, smaller},
	{"unable to load full model on gpu", nodes.OutOfMemory, smaller},
	{"memory layout cannot be allocated", nodes.OutOfMemory, smaller},
	{"failed to allocate memory for model", nodes.OutOfMemory, smaller},
	{"failed to commit memory for model", nodes.OutOfMemory, smaller},
	{"out of memory", nodes.OutOfMemory, smaller},
	{"cudamalloc failed", nodes.OutOfMemory, smaller},
	{"unable to allocate", nodes.OutOfMemory, smaller},
	{"failed to allocate", nodes.OutOfMemory, smaller},
	// MLX: "model requires 9 GiB but only 4 GiB are available (after 1 GiB overhead)"
	{"are available (after", nodes.OutOfMemory, smaller},

	{"timed out waiting for llama", nodes.LoadFailed, ""},
	{"timeout waiting for mlx runner", nodes.LoadFailed, ""},
	{"llama-server startup failed", nodes.LoadFailed, ""},
	{"error starting runner", nodes.LoadFailed, ""},
	{"error starting llama", nodes.LoadFailed, ""},
	{"model failed to load", nodes.LoadFailed, ""},
	{"failed to load model", nodes.LoadFailed, ""},
	{"unable to load model", nodes.LoadFailed, ""},
	{"error loading model", nodes.LoadFailed, ""},
	{"exceeds file size", nodes.LoadFailed, corrupt},
	{"invalid file magic", nodes.LoadFailed, corrupt},
	{"unsupported model format", nodes.LoadFailed, corrupt},
	{"may be incompatible with your version", nodes.LoadFailed, ""},
	{"not supported by your version of ollama", nodes.LoadFailed, "update Ollama"},

	{"process has terminated", nodes.Crashed, ""},
	{"process no longer running", nodes.Crashed, ""},
	{"runner failed", nodes.Crashed, ""},
	{"runner exited", nodes.Crashed, ""},
	{"runner has unexpectedly stopped", nodes.Crashed, ""},
	{"error was encountered while running the model", nodes.Crashed, ""},
	{"error reading llm response", nodes.Crashed, ""},
	{"unexpected server status", nodes.Crashed, ""},
	{"health resp:", nodes.Crashed, ""},
	{"proxy error: failed to read connection", nodes.Crashed, ""},
}

const (
	pull    = "pull the model on the node, or name another one"
	gone    = "its file is gone from the disk, or it is no model for chats: pull it again, or name another one"
	corrupt = "the model's file may be corrupt: pull it again"
	smaller = "use a smaller model, quantization or num_ctx, or free memory on the node"
)

// classify returns the fault of an error answer, or nil if only its status tells
// the fault.
func classify(status int, _ http.Header, body []byte) *nodes.Error {
	if e := silent(status, body); e != nil {
		return e
	}
	text := wire.ErrorText(body)
	if text == "" {
		text = string(body)
	}
	if status == http.StatusOK && strings.HasPrefix(text, "Unexpected endpoint or method") {
		return &nodes.Error{Fault: nodes.WrongEngine, Detail: "LM Studio answers here: " + text}
	}
	if e := classifyText(text); e != nil {
		return e
	}
	lower := strings.ToLower(text)
	switch {
	case status == http.StatusNotFound && strings.Contains(lower, "model") && strings.Contains(lower, "not found"):
		return &nodes.Error{Fault: nodes.ModelNotFound, Detail: text, Remedy: pull}
	case status == 499: // the server saw the client leave
		return &nodes.Error{Fault: nodes.CutOff, Detail: text}
	}
	return nil
}

// classifyText returns the fault of an error's text, or nil if the text is
// unknown.
func classifyText(text string) *nodes.Error {
	lower := strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(lower, w.said) {
			return &nodes.Error{Fault: w.fault, Detail: text, Remedy: w.remedy}
		}
	}
	return nil
}
