package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// TestAbilities: what one node can't do is asked of the next, nobody is blamed,
// and where none can, the client gets a node's own words at once
// (ollama/ollama#8345, cline/cline#11301, mcowger/plexus#70, BerriAI/litellm#38844).
func TestAbilities(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		moves  bool
	}{
		{"Ollama, tools", 400, `{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}`, true},
		{"Ollama, thinking", 400, `{"error":"\"gemma:2b\" does not support thinking"}`, true},
		{"llama-server, an image", 500, `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`, true},
		{"llama-server, tools", 500, `{"error":{"code":500,"message":"tools param requires --jinja flag","type":"server_error"}}`, true},
		{"vLLM, tools", 400, `{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","code":400}`, true},
		{"vLLM, an image", 400, `{"error":{"message":"good is not a multimodal model","type":"BadRequestError","code":400}}`, true},
		{"no credit", 402, `{"error":{"message":"insufficient balance"}}`, true},
		{"too slow", 408, `{"error":{"message":"request timeout"}}`, true},
		{"a conflict", 409, `{"error":{"message":"the model is being loaded"}}`, true},
		{"too large", 413, `{"error":{"message":"request entity too large"}}`, true},
		{"the client's mistake", 400, `{"error":{"message":"temperature must be at most 2"}}`, false},
		{"unprocessable", 422, `{"error":{"message":"messages: field required"}}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1, m2 := &scripted{status: tt.status, body: tt.body}, &scripted{}
				table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2))
				table.OnFailure(func(f route.Failure) { t.Errorf("reported: %+v", f) })
				g, err := gateway.New(table, gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				want := received{status: tt.status, body: tt.body, attempts: 1}
				if tt.moves {
					want = received{status: http.StatusOK, body: wholeAnswer, attempts: 2}
				}
				if got := receivedOf(g, "/v1/chat/completions", m1, m2); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				m2.status, m2.body = tt.status, tt.body
				want = received{status: tt.status, body: tt.body, attempts: 1}
				if tt.moves {
					want.attempts = 2
				}
				if got := receivedOf(g, "/v1/chat/completions", m1, m2); got != want {
					t.Errorf("by no node: %+v, want %+v", got, want)
				}
				for _, name := range []string{"M1", "M2"} {
					for _, o := range outcomes(table, name) {
						if o.Failed {
							t.Errorf("%s's outcome: %+v", name, o)
						}
					}
				}
			})
		})
	}
}

func outcomes(t *route.Table, name string) []route.Outcome {
	list, _ := t.Outcomes(name, 0)
	return list
}
