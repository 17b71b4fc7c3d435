package registry_test

import (
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"strings"
	"testing"
)

// The deltas as the servers send them, of about 250 bytes.
var deltas = map[string]struct {
	codec fullCodec
	frame string
}{
	"OpenAI":    {openai.Codec{}, `data: {"id":"chatcmpl-8k2jd7s9dk3lm5n6q8w2","object":"chat.completion.chunk","created":1763942400,"model":"qwen/qwen3-8b","system_fingerprint":"qwen/qwen3-8b","choices":[{"index":0,"delta":{"content":" twelve\n"},"logprobs":null,"finish_reason":null}]}`},
	"Anthropic": {anthropic.Codec{}, "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" twelve words or so, as a server may send at a time: the longer an answer, the more of them there are, and each of them passes through here once.\n"}}`},
	"Ollama":    {ollama.Codec{}, `{"model":"qwen3:8b-q4_K_M","created_at":"2026-11-23T15:10:00.123456789Z","message":{"role":"assistant","content":" twelve words or so, as a server may send at a time: the longer an answer, the more of them there are, and each passes through here once.\n"},"done":false}`},
}

func BenchmarkReadFrame(b *testing.B) {
	for name, c := range deltas {
		b.Run(name, func(b *testing.B) {
			frame := []byte(c.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if p, err := c.codec.ReadFrame(frame); err != nil || p.Text == "" {
					b.Fatal(p, err)
				}
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	for name, c := range deltas {
		b.Run(name, func(b *testing.B) {
			w := c.codec.NewWriter(protocol.StreamInfo{ID: "id-1", Model: "qwen3-8b", Created: 1763942400})
			p := protocol.Delta{Text: " twelve\n"}
			b.ReportAllocs()
			for b.Loop() {
				if len(w.Write(p)) == 0 {
					b.Fatal("nothing written")
				}
			}
		})
	}
}

// A conversation of a megabyte, most of it an image.
func BenchmarkReadRequest(b *testing.B) {
	r := asked()
	r.Messages[1].Parts[1].Image.Data = strings.Repeat("iVBORw0K", 125_000)
	for _, d := range codecs() {
		b.Run(d.Path(), func(b *testing.B) {
			body, err := d.WriteRequest(r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.ReadRequest(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
