package gateway_test

import (
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes/gateway"
)

// TestClientSettings: one client can't have the model reloaded or unloaded that
// others use (ollama/ollama#8903, #3094, stavsap/comfyui-ollama#59).
func TestClientSettings(t *testing.T) {
	for _, tt := range []struct {
		name, path, body, want, dropped string
		keep                            bool
	}{
		{
			"num_ctx", "/api/chat",
			`{"options":{"num_ctx":32768,"temperature":0.5,"num_gpu" : 1,"stop":["a","}"]},"model":"auto","messages":[{"role":"user","content":"\"num_ctx\":1"}],"stream":false}`,
			`{"options":{"temperature":0.5,"stop":["a","}"]},"model":"good:latest","messages":[{"role":"user","content":"\"num_ctx\":1"}],"stream":false}`,
			"options.num_ctx, options.num_gpu", false,
		},
		{
			"keep_alive", "/api/generate", `{"model":"auto","prompt":"2+2","keep_alive":0,"stream":false}`,
			`{"model":"good:latest","prompt":"2+2","keep_alive":null,"stream":false}`, "keep_alive", false,
		},
		{
			"both, and nothing left", "/api/chat", `{"model":"good:latest","keep_alive":"-1m","options":{"num_ctx":1},"messages":[{"role":"user","content":"a"}]}`,
			`{"model":"good:latest","keep_alive":null,"options":{},"messages":[{"role":"user","content":"a"}]}`, "keep_alive, options.num_ctx", false,
		},
		{
			"kept", "/api/chat", `{"model":"good:latest","keep_alive":0,"options":{"num_ctx":1},"messages":[{"role":"user","content":"a"}]}`,
			`{"model":"good:latest","keep_alive":0,"options":{"num_ctx":1},"messages":[{"role":"user","content":"a"}]}`, "", true,
		},
		{
			"nothing of the kind", "/api/chat", `{"model":"good:latest","keep_alive":null,"options":{"seed":1},"messages":[{"role":"user","content":"a"}]}`,
			`{"model":"good:latest","keep_alive":null,"options":{"seed":1},"messages":[{"role":"user","content":"a"}]}`, "", false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &heard{}
			w := askedOnce(t, h, gateway.Options{KeepClientSettings: tt.keep}, tt.path, []byte(tt.body))
			if got := strings.Join(h.bodies, "\n"); w.Code != 200 || got != tt.want {
				t.Errorf("%d %s\n got %s\nwant %s", w.Code, w.Body, got, tt.want)
			}
			if got := w.Header().Get(gateway.HeaderDropped); got != tt.dropped {
				t.Errorf("%s: %q, want %q", gateway.HeaderDropped, got, tt.dropped)
			}
		})
	}
}
