package nodetest

import (
	"fmt"
	"net/http"
)

// runner says whose words are used. l.mu may be held.
func (l *Ollama) runner() string {
	if l.settings.Runner != "" {
		return l.settings.Runner
	}
	var major, minor int
	if n, _ := fmt.Sscanf(l.options.Version, "%d.%d", &major, &minor); n == 2 && (major > 0 || minor >= 30) {
		return "llama-server"
	}
	return "llama runner"
}

// onLlamaServer: from 0.30 on the runner is a llama-server. The shapes of its
// answers are as version 0.33 sent them. l.mu may be held.
func (l *Ollama) onLlamaServer() bool { return l.runner() == "llama-server" }

// tooLong is the error text of a prompt that is not to be cut. That of a
// llama-server is its whole answer, as a string.
func (l *Ollama) tooLong(prompt, context int) string {
	if !l.onLlamaServer() {
		return "the input length exceeds the context length"
	}
	return fmt.Sprintf(`{"error":{"code":400,"message":"request (%d tokens) exceeds the available context size (%d tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":%d,"n_ctx":%d}}`,
		prompt, context, prompt, context)
}

// The words of a runner that died, and of one that would not start.
func (l *Ollama) died() string {
	switch runner := l.runner(); runner {
	case "mlx runner":
		return "mlx runner exited unexpectedly: signal: killed"
	default:
		return runner + " process no longer running: -1 "
	}
}

func (l *Ollama) notLoaded() string {
	switch l.runner() {
	case "mlx runner":
		return "mlx runner failed: unsupported architecture (exit: exit status 1)"
	case "llama-server":
		return "llama-server process has terminated: exit status 1: error loading model: missing tensor 'blk.0.ffn_down.weight'"
	}
	return "llama runner process has terminated: error loading model: missing tensor 'blk.0.ffn_down.weight'"
}

func (l *Ollama) noMemory() string {
	if l.runner() == "mlx runner" {
		return "model requires 38.1 GiB but only 22.8 GiB are available (after 1.0 GiB overhead)"
	}
	return "model requires more system memory (38.1 GiB) than is available (22.8 GiB)"
}

// ollamaFailure is why a request gets no runner.
type ollamaFailure struct {
	status int
	text   string // empty: not even a body
}

// gone is the failure of a request with nobody left to tell.
var gone = &ollamaFailure{}

func (f *ollamaFailure) write(l *Ollama, w http.ResponseWriter, r *http.Request) {
	switch {
	case f == gone:
		panic(http.ErrAbortHandler)
	case f.text == "":
		w.WriteHeader(f.status)
	default:
		l.fail(w, r, f.status, f.text)
	}
}
