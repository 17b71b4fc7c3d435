package codec

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
)

func TestReplyUsage(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       protocol.Usage
	}{
		{"OpenAI", `{"choices":[{"usage":1}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`, protocol.Usage{Prompt: 9, Completion: 3, Known: true}},
		{"Anthropic, a part cached", `{"usage":{"input_tokens":4,"cache_read_input_tokens":5,"output_tokens":3}}`, protocol.Usage{Prompt: 9, Completion: 3, Known: true}},
		{"Ollama", `{"message":{"content":"x"},"prompt_eval_count":9,"eval_count":3}`, protocol.Usage{Prompt: 9, Completion: 3, Known: true}},
		{"none", `{"choices":[]}`, protocol.Usage{}},
		{"null", `{"usage":null}`, protocol.Usage{}},
		{"cut", `{"usage":{"prompt_tokens":9},`, protocol.Usage{}},
		{"no object", `[1]`, protocol.Usage{}},
		{"empty", ``, protocol.Usage{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ReplyUsage([]byte(test.body)); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
