// Package ollama is the codec of Ollama's own chat API, as it stands at
// https://docs.ollama.com/api/chat.
package ollama

import (
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/internal/codec"
)

// Codec is the codec of /api/chat. It implements [protocol.ClientCodec] and
// [protocol.Prefiller].
type Codec struct{ Base }

// Path implements [protocol.Codec].
func (Codec) Path() string { return "/api/chat" }

// Base is what all of Ollama's own APIs have in common: their errors, and
// streams of lines without an end mark.
type Base struct{}

// Events implements [protocol.Codec].
func (Base) Events() bool { return false }

// EndMark implements [protocol.Codec]: the last line has the finish reason.
func (Base) EndMark() []byte { return nil }

// WantsUsage implements [protocol.StreamCodec]: the APIs always have the counts.
func (Base) WantsUsage([]byte) bool { return true }

// Error implements [protocol.ErrorWriter].
func (Base) Error(_ int, text string) []byte {
	return codec.MustEncode(struct {
		Error string `json:"error"`
	}{text})
}

// ErrorFrame implements [protocol.ErrorWriter].
func (b Base) ErrorFrame(status int, text string) []byte {
	return append(b.Error(status, text), '\n')
}

// readTime returns seconds since 1970, 0 if text is no time.
func readTime(text string) int64 {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0 // the same as unknown
	}
	return at.Unix()
}

// WriteTime writes seconds since 1970, the present for 0.
func WriteTime(created int64) string {
	return time.Unix(codec.Created(created), 0).UTC().Format(time.RFC3339)
}

// ReadDoneReason reads the done_reason of a last line. loaded is true if the answer reports that
// a model was loaded or unloaded.
func ReadDoneReason(reason string) (finish protocol.Finish, loaded bool) {
	switch reason {
	case "length":
		return protocol.FinishLength, false
	case "load", "unload":
		return "", true
	}
	return protocol.FinishStop, false // versions before 0.3.5 give no reason
}

func writeDoneReason(finish protocol.Finish) string {
	if finish == protocol.FinishLength {
		return "length"
	}
	return "stop" // also for tool calls
}
