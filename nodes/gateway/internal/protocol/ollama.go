package chat

// Ollama is the chat API of Ollama's own, as it stands at
// https://docs.ollama.com/api/chat.
type Ollama struct{}

// Path implements [Dialect].
func (Ollama) Path() string { return "/api/chat" }

// Events implements [Dialect].
func (Ollama) Events() bool { return false }

// Error implements [Dialect].
func (Ollama) Error(_ int, text string) []byte {
	return must(struct {
		Error string `json:"error"`
	}{text})
}

// ErrorFrame implements [Dialect].
func (d Ollama) ErrorFrame(status int, text string) []byte {
	return append(d.Error(status, text), '\n')
}
