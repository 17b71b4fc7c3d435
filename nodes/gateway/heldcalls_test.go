package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/turbone/jarvis/nodes/gateway"
)

// callFrame is a frame with a part of a tool call.
func callFrame(id, name, arguments string) string {
	first := ""
	if id != "" {
		first = `"id":"` + id + `","type":"function",`
	}
	return `data: {"id":"x","object":"chat.completion.chunk","model":"good","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,` + first +
		`"function":{"name":"` + name + `","arguments":"` + strings.ReplaceAll(arguments, `"`, `\"`) + `"}}]},"finish_reason":null}]}` + "\n\n"
}

// TestCallsAreHeldBack: a stream that breaks off in a tool call is asked for again,
// and the client sees one whole call.
func TestCallsAreHeldBack(t *testing.T) {
	end := strings.Replace(toldEnd, `"stop"`, `"tool_calls"`, 1)
	half := callFrame("a", "weather", "") + callFrame("", "", `{"city": "Pa`)
	whole := callFrame("b", "weather", "") + callFrame("", "", `{"city": "Paris"}`) + end
	long := callFrame("a", "weather", strings.Repeat("x", 5<<20))
	for _, tt := range []struct {
		name, path, first, second string
		want, never               []string
	}{
		{"nothing sent", "/v1/chat/completions", half, whole, []string{`"id":"b"`, `Paris`, `"tool_calls"}`, "[DONE]"}, []string{`"id":"a"`, `\"Pa"`, `"error"`}},
		{"after text", "/v1/chat/completions", deltas("Let me", " see.") + half, deltas("Let me see.") + whole, []string{"Let me", " see.", "Paris", `"tool_calls"}`, "[DONE]"}, []string{`\"Pa"`, "Let me see.", `"error"`}},
		{"two calls", "/v1/chat/completions", callFrame("a", "time", "{}") + strings.Replace(half, `"index":0,"id"`, `"index":1,"id"`, 1), whole, []string{"Paris", "[DONE]"}, []string{`"time"`, `"error"`}},
		{"translated", "/v1/messages", half, whole, []string{"event: message_start", `"stop_reason":"tool_use"`, "Paris", "event: message_stop"}, []string{`\"Pa"`, "event: error"}},
		{"translated, after text", "/v1/messages", deltas("Let me", " see.") + half, deltas("Let me see.") + whole, []string{"event: message_start", "Let me", `"stop_reason":"tool_use"`, "Paris", "event: message_stop"}, []string{`\"Pa"`, "Let me see.", "event: error"}},
		{"too long to be held", "/v1/chat/completions", long, whole, []string{`"id":"a"`, `"error"`, "in a tool call"}, []string{"Paris", "[DONE]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, body := answerTo(twoNodes(t, "text/event-stream", tt.first, tt.second), tt.path, strings.TrimSuffix(streams, `"}]`)+`"}],"max_tokens":100,"tools":[]}`)
				for _, part := range tt.want {
					if strings.Count(body, part) != 1 {
						t.Errorf("%s is not once in\n%.2000s", part, body)
					}
				}
				for _, part := range tt.never {
					if strings.Contains(body, part) {
						t.Errorf("%s is in\n%.2000s", part, body)
					}
				}
			})
		})
	}
}

// TestRestartSendsOneCall: a client that allows a new beginning gets no call that is
// glued from two.
func TestRestartSendsOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := callFrame("a", "weather", `{"city":`)
		whole := callFrame("b", "weather", `{"city":"Paris"}`) + strings.Replace(toldEnd, `"stop"`, `"tool_calls"`, 1)
		g := twoNodes(t, "text/event-stream", half, whole)
		with := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set(gateway.HeaderRestart, "true")
			g.ServeHTTP(w, r)
		})
		if _, body := answerTo(with, "/v1/chat/completions", streams+"}"); strings.Count(body, `\"city\"`) != 1 || !strings.Contains(body, "Paris") {
			t.Errorf("%s", body)
		}
	})
}
