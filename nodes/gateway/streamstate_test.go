package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes/gateway"
)

// twoNodes is a gateway to a node that answers by one body, and breaks, and one
// that answers by another. They have OpenAI's APIs alone.
func twoNodes(t *testing.T, kind, first, second string) http.Handler {
	at := func(body io.Reader) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/v1/messages" || r.URL.Path == "/api/chat" {
				return answering(r, 404, "text/plain", strings.NewReader("404 page not found")), nil
			}
			return answering(r, 200, kind, body), nil
		})
	}
	g, err := gateway.New(serving(onTransport(t, "M1", at(strings.NewReader(first))), onTransport(t, "M2", at(strings.NewReader(second)))), gateway.Options{Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func answerTo(g http.Handler, path, body string) (int, string) {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

const (
	toldEnd = `data: {"id":"y","object":"chat.completion.chunk","model":"good","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	streams = `{"model":"good","stream":true,"messages":[{"role":"user","content":"which city"}]`
)

// TestStructuredIsNotGlued: a node whose grammar begins anew does not carry on a
// structured answer (ai-dynamo/dynamo#7930, anthony-chaudhary/fak#5278).
func TestStructuredIsNotGlued(t *testing.T) {
	for field, glued := range map[string]bool{
		`"response_format":{"type":"json_schema","json_schema":{}}`: false, `"response_format":{"type":"json_object"}`: false,
		`"grammar":"root ::= x"`: false, `"response_format":{"type":"text"}`: true, `"response_format":null`: true,
	} {
		t.Run(field, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := twoNodes(t, "text/event-stream", deltas(`{"city": "Paris",`), deltas(`{"city": "Lyon"}`)+toldEnd)
				_, body := answerTo(g, "/v1/chat/completions", streams+","+field+"}")
				if got := strings.Contains(body, "Lyon"); got != glued || glued == strings.Contains(body, `"error"`) {
					t.Errorf("%s", body)
				}
			})
		})
	}
}

// TestEveryChoiceEnds: of two choices the first has ended, and the stream breaks
// (anthony-chaudhary/fak#5278): that is an error.
func TestEveryChoiceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := deltas("4") + `data: {"id":"x","object":"chat.completion.chunk","model":"good","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
			`data: {"id":"x","object":"chat.completion.chunk","model":"good","choices":[{"index":1,"delta":{"content":"fo"},"finish_reason":null}]}` + "\n\n"
		_, body := answerTo(twoNodes(t, "text/event-stream", first, ""), "/v1/chat/completions", streams+`,"n":2}`)
		if strings.Contains(body, "[DONE]") || !strings.Contains(body, `"error"`) {
			t.Errorf("%s", body)
		}
	})
}

// TestForeignObjectsInAStream are passed on, and no fault (unslothai/unsloth#10362).
func TestForeignObjectsInAStream(t *testing.T) {
	const progress = `data: {"type":"progress","percent":40}` + "\n\n"
	_, body := answerTo(twoNodes(t, "text/event-stream", progress+deltas("4")+progress+toldEnd, ""), "/v1/chat/completions", streams+"}")
	if strings.Count(body, progress) != 2 || !strings.Contains(body, "[DONE]") || strings.Contains(body, `"error"`) {
		t.Errorf("%s", body)
	}
}

// TestNoAnswerInIt: a 200 without an answer is a failure (keephq/keep#6705,
// ogx-ai/ogx#1424, BerriAI/litellm#40252), and a right empty completion is one
// (BerriAI/litellm#37118).
func TestNoAnswerInIt(t *testing.T) {
	const chat, completions = "/v1/chat/completions", "/v1/completions"
	for _, tt := range []struct {
		name, path, request, first string
		moves                      bool
	}{
		{"no choices", chat, question, `{"object":"chat.completion","choices":[]}`, true},
		{"null and no call", chat, question, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"stop"}]}`, true},
		{"a call", chat, question, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`, false},
		{"a stop word at once", completions, `{"model":"good","prompt":"a","stop":["\n"]}`, `{"object":"text_completion","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`, false},
		{"nothing between prefix and suffix", completions, `{"model":"good","prompt":"a","suffix":"b"}`, `{"object":"text_completion","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`, false},
		{"nothing at all", completions, `{"model":"good","prompt":"a"}`, `{"object":"text_completion","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			second := wholeAnswer
			if tt.path == completions {
				second = `{"object":"text_completion","choices":[{"index":0,"text":"4","finish_reason":"stop"}]}`
			}
			status, body := answerTo(twoNodes(t, "application/json", tt.first, second), tt.path, tt.request)
			if want := map[bool]string{true: second, false: tt.first}[tt.moves]; status != 200 || body != want {
				t.Errorf("%d %s, want %s", status, body, want)
			}
		})
	}
}

// TestOverflowIsTheClients: a context overflow in a stream is 400, so that
// clients do not repeat it.
func TestOverflowIsTheClients(t *testing.T) {
	const frame = `data: {"error":{"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}` + "\n\n"
	if status, body := answerTo(twoNodes(t, "text/event-stream", frame, frame), "/v1/chat/completions", streams+"}"); status != 400 || !strings.Contains(body, "context size") {
		t.Errorf("%d %s", status, body)
	}
}

// TestNextNodesThinking is dropped whole once the answer has begun, and the counts
// are those of what the client asked.
func TestNextNodesThinking(t *testing.T) {
	think := `data: {"id":"y","object":"chat.completion.chunk","model":"good","choices":[{"index":0,"delta":{"reasoning_content":"hmm"},"finish_reason":null}]}` + "\n\n"
	usage := `data: {"id":"y","object":"chat.completion.chunk","model":"good","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}}` + "\n\n"
	end := strings.Replace(toldEnd, "data: [DONE]", strings.TrimSuffix(usage, "\n\n")+"\n\ndata: [DONE]", 1)
	_, body := answerTo(twoNodes(t, "text/event-stream", deltas("Once", " upon"), think+deltas(" a time")+end), "/v1/chat/completions", streams+`,"stream_options":{"include_usage":true}}`)
	if strings.Contains(body, "hmm") || !strings.Contains(body, " a time") || !strings.Contains(body, `"prompt_tokens":10`) || !strings.Contains(body, `"completion_tokens":3`) {
		t.Errorf("%s", body)
	}
}
