package openaichat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

const key = "sk-very-secret"

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	conn := nodes.Connection{Node: "M1", URL: srv.URL, Key: nodes.NewSecret(key)}
	c, err := wire.New(conn, func(status int, h http.Header, body []byte) *nodes.Error {
		if strings.HasPrefix(string(body), "proxy error") {
			return &nodes.Error{Fault: nodes.Crashed}
		}
		return Classify(status, h, body)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP().CloseIdleConnections)
	chat := New(c, "/v1")
	chat.limit = 1 << 20
	return chat
}

// says answers every request with the same text.
func says(status int, contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func question(stream bool) nodes.ChatRequest {
	return nodes.ChatRequest{Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "2+2?"}}, Stream: stream}
}

const (
	sse    = "text/event-stream"
	object = "application/json"

	role  = `data: {"model":"m1","choices":[{"index":0,"delta":{"role":"assistant"}}]}` + "\n\n"
	four  = `data: {"model":"m1","choices":[{"index":0,"delta":{"content":"4"}}]}` + "\n\n"
	stop  = `data: {"model":"m1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	usage = `data: {"model":"m1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}` + "\n\n"
	done  = "data: [DONE]\n\n"
)

var ignoreTimes = cmpopts.IgnoreFields(nodes.ChatReply{}, "FirstToken", "Duration")

func TestAnswers(t *testing.T) {
	plain := nodes.ChatReply{Model: "m1", Text: "4", Tokens: 3, PromptTokens: 9, Finish: "stop"}
	counted := nodes.ChatReply{Model: "m1", Text: "4", Tokens: 1, Finish: "stop"}
	for name, test := range map[string]struct {
		stream      bool
		contentType string
		body        string
		want        nodes.ChatReply
	}{
		"a stream":                         {true, sse, role + four + stop + usage + done, plain},
		"a stream without usage":           {true, sse, four + stop + done, counted},
		"without [DONE]":                   {true, sse, four + stop, counted},
		"without finish_reason":            {true, sse, four + done, nodes.ChatReply{Model: "m1", Text: "4", Tokens: 1}},
		"CRLF, no space after the colon":   {true, sse, strings.NewReplacer("\n", "\r\n", "data: ", "data:").Replace(four + stop + done), counted},
		"no empty lines between":           {true, sse, strings.ReplaceAll(four+stop+done, "\n\n", "\n"), counted},
		"no newline at the end":            {true, sse, four + strings.TrimSpace(stop), counted},
		"an event over several data lines": {true, sse, "data: {\"model\":\"m1\",\ndata: \"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"4\"}}]}\n\n" + stop, counted},
		"other fields of an event":         {true, sse, "event: message\nid: 7\nretry: 10\n" + four + stop + done, counted},
		"the wrong content type":           {true, "text/plain", four + stop + done, counted},
		"a comment before the answer":      {true, sse, ": ping\n\n" + four + stop + done, counted},
		"a thousand comments":              {true, sse, strings.Repeat(": keep-alive\n\n", 1000) + four + strings.Repeat("\n", 1000) + stop + done, counted},
		"other choices are left out": {true, sse,
			`data: {"model":"m1","choices":[{"index":1,"delta":{"content":"5"}},{"index":0,"delta":{"content":"4"},"finish_reason":"stop"}]}` + "\n\n" + done, counted},
		"an error that is null": {true, sse, strings.ReplaceAll(four, `"model"`, `"error":null,"model"`) + stop + done, counted},
		"a whole answer where a stream was asked": {true, object,
			"{\n\"model\":\"m1\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"4\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}", plain},
		"no stream": {false, object,
			`{"model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":"4"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}`, plain},
		"no stream, no usage": {false, object,
			`{"model":"m1","choices":[{"index":0,"message":{"content":"4"},"finish_reason":"stop"}]}`, counted},
		"no stream, no content": {false, object,
			`{"model":"m1","choices":[{"index":0,"message":{"content":null},"finish_reason":"stop"}]}`, nodes.ChatReply{Model: "m1", Finish: "stop"}},
		"a well-formed stream without a token": {true, sse, role + stop + done, nodes.ChatReply{Model: "m1", Finish: "stop"}},
		"reasoning_content": {true, sse,
			`data: {"model":"m1","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}` + "\n\n" + four + stop + done,
			nodes.ChatReply{Model: "m1", Thinking: "hm", Text: "4", Tokens: 2, Finish: "stop"}},
		"reasoning": {true, sse,
			`data: {"model":"m1","choices":[{"index":0,"delta":{"reasoning":"hm"}}]}` + "\n\n" + four + stop + done,
			nodes.ChatReply{Model: "m1", Thinking: "hm", Text: "4", Tokens: 2, Finish: "stop"}},
		"both at once count once": {true, sse,
			`data: {"model":"m1","choices":[{"index":0,"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}` + "\n\n" + four + stop + done,
			nodes.ChatReply{Model: "m1", Thinking: "hm", Text: "4", Tokens: 2, Finish: "stop"}},
		"reasoning that is an object": {true, sse,
			`data: {"model":"m1","choices":[{"index":0,"delta":{"reasoning":{"id":1},"content":"4"}}]}` + "\n\n" + stop + done, counted},
		"reasoning without a stream": {false, object,
			`{"model":"m1","choices":[{"index":0,"message":{"reasoning":"hm","content":"4"},"finish_reason":"stop"}]}`,
			nodes.ChatReply{Model: "m1", Thinking: "hm", Text: "4", Tokens: 1, Finish: "stop"}},
		"think tags over two pieces": {true, sse,
			`data: {"model":"m1","choices":[{"index":0,"delta":{"content":"<thi"}}]}` + "\n\n" +
				`data: {"model":"m1","choices":[{"index":0,"delta":{"content":"nk>hm</think>\n4"}}]}` + "\n\n" + stop + done,
			nodes.ChatReply{Model: "m1", Thinking: "hm", Text: "4", Tokens: 2, Finish: "stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, says(200, test.contentType, test.body))
			got, err := c.Chat(t.Context(), question(test.stream), "m1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, ignoreTimes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const overflow = "Input does not fit in context length. The input has 31430 tokens."
	for name, test := range map[string]struct {
		stream bool
		status int
		body   string
		want   string
	}{
		"a refusal as an object":     {false, 400, `{"error":{"message":"bad","type":"invalid_request_error","code":null}}`, "request refused: HTTP 400 bad"},
		"a refusal as a string":      {true, 400, `{"error":"bad"}`, "request refused: HTTP 400 bad"},
		"a dead model, as a string":  {true, 400, `{"error":"The model has crashed without additional information. (Exit code: 18446744072635812000)"}`, "model process crashed: HTTP 400 The model has crashed without additional information. (Exit code: 18446744072635812000)"},
		"an unknown model":           {true, 404, `{"error":{"message":"The model x does not exist.","code":"model_not_found"}}`, "model not found: HTTP 404 The model x does not exist."},
		"a page that isn't there":    {true, 404, `404 page not found`, "request refused: HTTP 404 404 page not found"},
		"a wrong key":                {true, 401, `{"error":"bad key ` + key + `"}`, "unauthorized: HTTP 401 bad key ***; correct the node's key"},
		"busy":                       {true, 429, `{"error":"slow down"}`, "busy: HTTP 429 slow down (retry after 4s)"},
		"loading":                    {true, 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, "busy: HTTP 503 Loading model (retry after 4s)"},
		"500 without a word":         {true, 500, ``, "server error: HTTP 500"},
		"200 and an error string":    {false, 200, `{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}`, "server error: in a successful answer: Unexpected endpoint or method. (POST /v1/chat/completions)"},
		"the same for a stream":      {true, 200, `{"error":"Unexpected endpoint or method. (POST /v1/chat/completions)"}`, "server error: in a successful answer: Unexpected endpoint or method. (POST /v1/chat/completions)"},
		"200 and another shape":      {false, 200, `{"models":[]}`, `protocol broken: no choices in {"models":[]}`},
		"200 and a page":             {false, 200, `<!doctype html>`, "protocol broken: invalid character '<' looking for beginning of value in <!doctype html>"},
		"a page for a stream":        {true, 200, "<!doctype html>\n<title>Sign in", "protocol broken: HTTP 200 <!doctype html> <title>Sign in"},
		"200 and nothing":            {false, 200, ``, "protocol broken: unexpected end of JSON input in"},
		"nothing for a stream":       {true, 200, ``, "answer cut off: the stream ended after 0 pieces, without its end mark"},
		"no end mark":                {true, 200, role + four, "answer cut off: the stream ended after 1 pieces, without its end mark"},
		"ends in a piece":            {true, 200, four + `data: {"choices":[{"ind`, "answer cut off: the stream ended in the middle of a piece"},
		"broken JSON in the middle":  {true, 200, four + `data: {"choices":[{` + "\n\n" + four + stop + done, `protocol broken: no JSON in the stream: {"choices":[{`},
		"a number in the stream":     {true, 200, four + "data: 5\n\n", "protocol broken: no object in the stream: 5"},
		"another type in a piece":    {true, 200, `data: {"choices":"none"}` + "\n\n", "protocol broken: json: cannot unmarshal string into Go struct field ChatCompletionStreamResponse.choices of type []openai.ChatCompletionStreamChoice"},
		"event: error":               {true, 200, four + "event: error\ndata: {\"error\":{\"message\":\"" + overflow + "\"},\"message\":\"" + overflow + "\"}\n\n", "prompt too long: in a successful answer: " + overflow + "; shorten the prompt, or load the model with a larger context"},
		"event: error, no newline":   {true, 200, "event: error\ndata: {\"error\":{\"message\":\"" + overflow + "\"}}", "prompt too long: in a successful answer: " + overflow + "; shorten the prompt, or load the model with a larger context"},
		"event: error, only text":    {true, 200, "event: error\ndata: all is lost\n\n", "server error: in a successful answer: all is lost"},
		"event: error, bare message": {true, 200, "event: error\ndata: {\"message\":\"lost\"}\n\n", `server error: in a successful answer: {"message":"lost"}`},
		"an error alone":             {true, 200, `data: {"error":{"message":"lost"}}` + "\n\n", "server error: in a successful answer: lost"},
		"an error as a string":       {true, 200, four + `data: {"error":"lost"}` + "\n\n" + done, "server error: in a successful answer: lost"},
		"after a comment":            {true, 200, ": ping\n\n" + `data: {"error":{"message":"lost"}}` + "\n\n", "server error: in a successful answer: lost"},
		"not the first key":          {true, 200, `data: {"id":"1","error":{"message":"lost"}}` + "\n\n", "server error: in a successful answer: lost"},
		"a flat error":               {true, 200, `data: {"object":"error","message":"lost","code":400}` + "\n\n", "request refused: in a successful answer: lost"},
		"an error with its status":   {true, 200, `data: {"error":{"code":503,"message":"Loading model"}}` + "\n\n", "busy: in a successful answer: Loading model (retry after 4s)"},
		"an error with its type":     {true, 200, `data: {"error":{"type":"authentication_error","message":"no"}}` + "\n\n", "unauthorized: in a successful answer: no; correct the node's key"},
		"a code that is text":        {true, 200, `data: {"error":{"code":"429","message":"no"}}` + "\n\n", "busy: in a successful answer: no (retry after 4s)"},
		"raw text after the events":  {true, 200, role + four + "proxy error: Failed to read connection", "model process crashed: HTTP 200 proxy error: Failed to read connection"},
		"a raw object in a stream":   {true, 200, four + `{"error":{"message":"lost"}}` + "\n", "protocol broken: HTTP 200 lost"},
		"finish_reason error":        {true, 200, four + strings.Replace(stop, "stop", "error", 1) + done, "server error: the answer's finish_reason is an error"},
		"a line without end":         {true, 200, "data: " + strings.Repeat("x", maxLine), "protocol broken: answer larger than 1 MiB"},
		"data without end":           {true, 200, "data: \"" + strings.Repeat("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", maxLine/60), "protocol broken: answer larger than 1 MiB"},
		"an object without end":      {true, 200, "{" + strings.Repeat(" ", 1<<20), "protocol broken: answer larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if test.status == 429 || strings.Contains(test.body, "503") || strings.Contains(test.body, "429") {
					w.Header().Set("Retry-After", "4")
				}
				says(test.status, sse, test.body)(w, r)
			})
			_, err := c.Chat(t.Context(), question(test.stream), "m1")
			if err == nil {
				t.Fatal("no error")
			}
			if want := "M1: chat: " + test.want; err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestPartOfAnAnswerComesWithItsError(t *testing.T) {
	c := serve(t, says(200, sse, role+four))
	reply, err := c.Chat(t.Context(), question(true), "m1")
	if !errors.Is(err, nodes.CutOff) || reply.Text != "4" || reply.Tokens != 1 {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestConnectionBreaksInTheMiddle(t *testing.T) {
	for _, stream := range []bool{true, false} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, map[bool]string{true: four, false: `{"choices":[`}[stream])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		if _, err := c.Chat(t.Context(), question(stream), "m1"); !errors.Is(err, nodes.CutOff) {
			t.Errorf("stream %t: got %v, want %v", stream, err, nodes.CutOff)
		}
	}
}

func TestRequest(t *testing.T) {
	zero, seed := 0.0, 7
	for name, test := range map[string]struct {
		change func(*nodes.ChatRequest)
		model  string
		fields map[string]any
		want   string
	}{
		"as little as can be": {func(*nodes.ChatRequest) {}, "m1", nil,
			`{"messages":[{"content":"2+2?","role":"user"}],"model":"m1","stream":false}`},
		"a temperature of 0 is sent": {func(r *nodes.ChatRequest) { r.Temperature = &zero; r.Seed = &seed; r.MaxTokens = 5 }, "m1", nil,
			`{"max_tokens":5,"messages":[{"content":"2+2?","role":"user"}],"model":"m1","seed":7,"stream":false,"temperature":0}`},
		"a name like OpenAI's own": {func(r *nodes.ChatRequest) { r.MaxTokens = 5 }, "o1-mini-distill", nil,
			`{"max_tokens":5,"messages":[{"content":"2+2?","role":"user"}],"model":"o1-mini-distill","stream":false}`},
		"fields of the engine": {func(*nodes.ChatRequest) {}, "m1", map[string]any{"ttl": 60, "cache_prompt": true},
			`{"cache_prompt":true,"messages":[{"content":"2+2?","role":"user"}],"model":"m1","stream":false,"ttl":60}`},
		"an empty message keeps its content": {func(r *nodes.ChatRequest) { r.Messages = []nodes.Message{{Role: nodes.RoleSystem}} }, "m1", nil,
			`{"messages":[{"content":"","role":"system"}],"model":"m1","stream":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got, authorization, path string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got, authorization, path = string(b), r.Header.Get("Authorization"), r.URL.Path
				_, _ = io.WriteString(w, `{"choices":[]}`)
			})
			req := question(false)
			test.change(&req)
			if _, err := c.With(test.fields).Chat(t.Context(), req, test.model); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.want, "Bearer " + key, "/v1/chat/completions"}, []string{got, authorization, path}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWithLeavesTheOtherAlone(t *testing.T) {
	base := New(nil, "/v1").With(map[string]any{"a": 1})
	_ = base.With(map[string]any{"a": 2, "b": 3})
	if diff := cmp.Diff(map[string]any{"a": 1}, base.fields); diff != "" {
		t.Error(diff)
	}
}

func TestStrictServerIsAskedWithoutStreamOptions(t *testing.T) {
	var bodies []map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies = append(bodies, body)
		if body["stream_options"] != nil {
			says(422, object, `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"]}]}`)(w, r)
			return
		}
		says(200, sse, four+stop+done)(w, r)
	})
	reply, err := c.Chat(t.Context(), question(true), "m1")
	if err != nil || reply.Text != "4" || len(bodies) != 2 {
		t.Errorf("got %+v, %v after %d requests", reply, err, len(bodies))
	}
}

func TestOnToken(t *testing.T) {
	const thought = `data: {"choices":[{"index":0,"delta":{"reasoning":"hm"}}]}` + "\n\n"
	for name, test := range map[string]struct {
		stream bool
		body   string
	}{
		"stream": {true, role + thought + four + stop + done},
		"whole":  {false, `{"choices":[{"index":0,"message":{"reasoning_content":"hm","content":"4"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			req := question(test.stream)
			req.OnToken = func(piece string) { got = append(got, piece) }
			reply, err := serve(t, says(200, sse, test.body)).Chat(t.Context(), req, "m1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"hm", "4"}, got); diff != "" {
				t.Error(diff)
			}
			if reply.FirstToken <= 0 || reply.Duration < reply.FirstToken {
				t.Errorf("first token after %s of %s", reply.FirstToken, reply.Duration)
			}
		})
	}
}

// hangAfter sends text and then nothing until the client leaves.
func hangAfter(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then a server sees the client leave
		if text != "" {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

func TestDeadlines(t *testing.T) {
	const short, long = 50 * time.Millisecond, time.Hour
	for name, test := range map[string]struct {
		stream         bool
		text           string
		first, between time.Duration
		want           string
	}{
		"no headers":                 {true, "", short, long, "M1: chat: timed out: no first token within 50ms"},
		"no headers, no stream":      {false, "", short, long, "M1: chat: timed out: no first token within 50ms"},
		"only half, no stream":       {false, `{"choices":[`, short, long, "M1: chat: timed out: no first token within 50ms"},
		"a comment is no token":      {true, ": ping\n\n", short, long, "M1: chat: timed out: no first token within 50ms"},
		"a role is no token":         {true, role, short, long, "M1: chat: timed out: no first token within 50ms"},
		"nothing after a token":      {true, four, long, short, "M1: chat: timed out: no next token within 50ms"},
		"a comment is no next token": {true, four + ": ping\n\n" + role, long, short, "M1: chat: timed out: no next token within 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			req := question(test.stream)
			req.FirstToken, req.BetweenTokens = test.first, test.between
			_, err := serve(t, hangAfter(test.text)).Chat(t.Context(), req, "m1")
			if err == nil || err.Error() != test.want || !errors.Is(err, nodes.TimedOut) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestCallersContext(t *testing.T) {
	for _, stream := range []bool{true, false} {
		for _, text := range []string{"", four} {
			t.Run(fmt.Sprintf("stream %t after %d bytes", stream, len(text)), func(t *testing.T) {
				arrived := make(chan struct{})
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					close(arrived)
					hangAfter(text)(w, r)
				})
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-arrived; cancel() }()
				_, err := c.Chat(ctx, question(stream), "m1")
				if !errors.Is(err, context.Canceled) || nodes.FaultOf(err) != "" {
					t.Errorf("got %v, want the cancellation and no fault", err)
				}
			})
		}
	}
	t.Run("its deadline is a time-out", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := serve(t, hangAfter(four)).Chat(ctx, question(true), "m1"); !errors.Is(err, nodes.TimedOut) {
			t.Errorf("got %v, want %v", err, nodes.TimedOut)
		}
	})
}

func TestEndlessAnswerIsBounded(t *testing.T) {
	for name, chunk := range map[string]string{"tokens": four, "comments": ": ping\n\n", "empty lines": "\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			block := strings.Repeat(chunk, 64<<10/len(chunk))
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, block); err != nil {
						return
					}
				}
			})
			if _, err := c.Chat(t.Context(), question(true), "m1"); !errors.Is(err, nodes.Protocol) {
				t.Errorf("got %v, want %v", err, nodes.Protocol)
			}
		})
	}
}
