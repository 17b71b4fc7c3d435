package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// spoken are the chat paths with what reads their streams, and with answers as
// real servers give them.
var spoken = []struct {
	path          string
	whole, stream string
}{
	{"/v1/chat/completions", wholeAnswer, streamed},
	{"/v1/completions",
		`{"id":"cmpl-1","object":"text_completion","created":1,"model":"good","choices":[{"text":"4","index":0,"finish_reason":"stop"}]}`,
		`data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"good","choices":[{"text":"4","index":0,"finish_reason":null}]}` + "\n\n" +
			`data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"good","choices":[{"text":"","index":0,"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"},
	{"/v1/messages",
		`{"id":"msg_1","type":"message","role":"assistant","model":"good","content":[{"type":"text","text":"4"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"good\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":0}}}\n\n" +
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
			"event: ping\ndata: {\"type\":\"ping\"}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"4\"}}\n\n" +
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
	{"/api/chat",
		`{"model":"good","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"4"},"done_reason":"stop","done":true}`,
		`{"model":"good","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"4"},"done":false}` + "\n" +
			`{"model":"good","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"eval_count":1}` + "\n"},
	{"/api/generate",
		`{"model":"good","created_at":"2026-01-01T00:00:00Z","response":"4","done_reason":"stop","done":true}`,
		`{"model":"good","created_at":"2026-01-01T00:00:00Z","response":"4","done":false}` + "\n" +
			`{"model":"good","created_at":"2026-01-01T00:00:00Z","response":"","done_reason":"stop","done":true}` + "\n"},
	{"/v1/responses",
		`{"id":"resp_1","object":"response","status":"completed","model":"good","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"4"}]}]}`,
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\n" +
			"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"4\"}\n\n" +
			"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"},
	{"/v1/embeddings", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"good"}`, ""},
	{"/api/embed", `{"model":"good","embeddings":[[0.5]]}`, ""},
	{"/api/show", `{"details":{"family":"llama"},"model_info":{}}`, ""},
}

// words are what servers say that is no answer, by status.
var words = []struct {
	status int
	body   string
}{
	{200, `{"error":"Unexpected endpoint or method. (POST /v1/messages)"}`},
	{200, "event: error\ndata: {\"error\":{\"message\":\"The model has crashed\"},\"message\":\"The model has crashed\"}\n\n"},
	{200, `data: {"error":{"message":"Internal Server Error","type":"InternalServerError","param":null,"code":500}}` + "\n\n"},
	{200, `data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}` + "\n\n" + `data: {"error":{"message":"prompt is too long","code":400}}` + "\n\n"},
	{200, `{"error":"an error was encountered while running the model: unexpected EOF"}` + "\n"},
	{200, `{"message":{"role":"assistant","content":"a"},"done":false}` + "\n" + `{"error":"llama runner process has terminated"}` + "\n"},
	{200, `data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}` + "\n" + `data: {"choices":[{"delta":{"content":"b"},"finish_reason":null}]}`},
	{200, `data: {"choices":[{"delta":{"role":"assistant"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"},
	{200, `data: {"choices":[{"delta":{"role":"assistant"},"finish_reason":"stop"}]}` + "\n\n"},
	{200, `data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`},
	{200, ": ping\n\nevent: x"},
	{200, "event: message_start\n"},
	{200, "<!doctype html><title>Sign in</title>"},
	{200, ""},
	{200, "{"},
	{200, "\r\n\r\n{\"done\":true}"},
	{200, `{"choices":[{"":""}]}`},
	{200, `{"error":"the input length exceeds the context length"}`},
	{200, `{"error":{"message":"the input length exceeds the context length","type":"invalid_request_error"}}`},
	{200, `{"model":"good","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`},
	{400, `{"error":{"message":"exceeds the available context size","type":"exceed_context_size_error","code":400}}`},
	{401, `{"error":{"message":"invalid API key","type":"authentication_error"}}`},
	{404, `{"error":"model 'good' not found"}`},
	{404, "404 page not found"},
	{429, `{"error":"too many requests"}`},
	{500, `{"error":"llama runner process has terminated: exit status 2"}`},
	{503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`},
	{503, ""},
}

// answers is the gateway's answer to a request, in no more time than is given.
func answers(t *testing.T, g http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r.WithContext(ctx))
	if ctx.Err() != nil {
		t.Fatal("no end to it")
	}
	return w
}

// shapeAt names the protocol of the errors at a path.
func shapeAt(path string) string {
	switch {
	case path == "/v1/messages", strings.HasPrefix(path, "/v1/messages/"):
		return "Anthropic"
	case strings.HasPrefix(path, "/api/"):
		return "Ollama"
	}
	return "OpenAI"
}

var knownStatuses = []int{200, 400, 404, 405, 413, 429, 501, 502, 503, 504}

// FuzzRequest: whatever a client sends, it gets an answer of a known status and
// of the protocol's shape.
func FuzzRequest(f *testing.F) {
	for _, s := range spoken {
		f.Add(http.MethodPost, s.path, []byte(question), "Accept", "*/*")
		f.Add(http.MethodPost, s.path, []byte(`{"model":"good","stream":true,"messages":[{"role":"user","content":"2+2"}],"prompt":"2+2"}`), gateway.HeaderRestart, "true")
		f.Add(http.MethodPost, s.path, []byte(`{"model":"good","stream":false,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"messages":[]}`), gateway.HeaderTimeout, "9s")
		f.Add(http.MethodGet, s.path, []byte(``), gateway.HeaderSession, "s")
	}
	f.Add(http.MethodPost, "/api/chat", []byte(`{"name":"good","model":null,"mod\u0065l":"\ud800"}`), gateway.HeaderTimeout, "1ns")
	f.Add(http.MethodPost, "/v1/chat/completions", []byte(`{"model":1,"stream":"yes","messages":{"role":[]}}`), gateway.HeaderRestart, "perhaps")
	f.Add(http.MethodPost, "/v1/messages", []byte("{"), "Connection", "Content-Type, ,x")
	f.Add(http.MethodGet, "/v1/models", []byte(nil), "Accept", "application/json")
	f.Add(http.MethodHead, "/", []byte(nil), "Accept", "application/json")
	f.Add(http.MethodGet, "/api/tags/", []byte(nil), "", "")
	f.Add(http.MethodDelete, "/v1/models/x/../y", []byte(nil), "", "")
	f.Fuzz(func(t *testing.T, method, path string, body []byte, name, value string) {
		at := tripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "m1.invalid" {
				t.Errorf("asked at %s", r.URL)
			}
			if r.Method != http.MethodPost {
				return answering(r, http.StatusNotFound, "text/plain", strings.NewReader("404 page not found")), nil
			}
			sent, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			for _, s := range spoken {
				if s.path != r.URL.Path {
					continue
				}
				stream := strings.HasPrefix(s.path, "/api/")
				_ = scan.Object(sent, func(key, value []byte) bool {
					if string(key) == "stream" {
						stream = string(value) == "true"
					}
					return true
				})
				if stream && registry.Lookup(s.path).Codec != nil {
					return answering(r, http.StatusOK, "text/event-stream", strings.NewReader(s.stream)), nil
				}
				return answering(r, http.StatusOK, "application/json", strings.NewReader(s.whole)), nil
			}
			return answering(r, http.StatusNotFound, "text/plain", strings.NewReader("404 page not found")), nil
		})
		g, err := gateway.New(serving(onTransport(t, "M1", at)), gateway.Options{Rules: route.Rules{Policy: route.Sticky{}}, MaxBody: 1 << 16, Wait: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer g.CloseIdleConnections()
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path}, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}
		r.Header.Set(name, value)
		w := answers(t, g, r)
		switch {
		case !slices.Contains(knownStatuses, w.Code):
			t.Errorf("status %d: %s", w.Code, w.Body)
		case w.Code != http.StatusOK && errorShape(w.Body.String()) != shapeAt(strings.TrimSuffix(path, "/")) && errorShape(w.Body.String()) != shapeAt(path):
			t.Errorf("%s %s: %d %s, want an error of %s's", method, path, w.Code, w.Body, shapeAt(path))
		case w.Code == http.StatusOK && w.Body.Len() == 0:
			t.Errorf("%s %s: nothing", method, path)
		}
	})
}

// onForeign is onTransport for a node that has OpenAI's APIs alone.
func onForeign(t testing.TB, name string, tripper http.RoundTripper) *nodes.Node {
	t.Helper()
	backend, err := openai.New(nodes.Connection{Node: name, URL: "http://" + strings.ToLower(name) + ".invalid", Transport: tripper})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, nodes.Node{Name: name, Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
}

// breaking reads a text and then breaks off.
func breaking(text []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(text), brokenPipe{})
}

type brokenPipe struct{}

// Read implements io.Reader.
func (brokenPipe) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

// FuzzNode: whatever a node answers, the client gets an answer that is whole, or
// an error: never a stream that ends as if that were all.
func FuzzNode(f *testing.F) {
	for i, s := range spoken {
		for _, stream := range []bool{false, true} {
			answer := s.whole
			if stream {
				answer = s.stream
			}
			f.Add(uint8(i), stream, 200, []byte(answer), false, false, false)
			f.Add(uint8(i), stream, 200, []byte(answer[:len(answer)/2]), true, false, false)
			f.Add(uint8(i), stream, 200, []byte(streamed), false, false, true)
			f.Add(uint8(i), stream, 200, []byte(wholeAnswer), false, false, true)
			f.Add(uint8(i), stream, 200, []byte(strings.TrimRight(answer, "\n")), false, true, false)
			for _, w := range words {
				f.Add(uint8(i), stream, w.status, []byte(w.body), false, i%2 == 0, false)
				f.Add(uint8(i), stream, w.status, []byte(w.body), i%2 == 0, false, true)
			}
		}
	}
	f.Fuzz(func(t *testing.T, api uint8, stream bool, status int, said []byte, breaks, restart, foreign bool) {
		s := spoken[int(api)%len(spoken)]
		if status < 200 || status > 599 {
			t.Skip("the library accepts none such")
		}
		var mu sync.Mutex
		asked := 0
		at := tripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked++; asked > 50 { // they don't go on for ever
				return answering(r, http.StatusInternalServerError, "application/json", strings.NewReader(`{"error":"crashed"}`)), nil
			}
			if breaks {
				return answering(r, status, "text/event-stream", breaking(said)), nil
			}
			return answering(r, status, "text/event-stream", bytes.NewReader(said)), nil
		})
		on := onTransport
		if foreign { // most has to be translated
			on = onForeign
		}
		table := serving(on(t, "M1", at), on(t, "M2", at))
		g, err := gateway.New(table, gateway.Options{Wait: 2 * time.Millisecond, Restart: restart})
		if err != nil {
			t.Fatal(err)
		}
		defer g.CloseIdleConnections()
		body, err := json.Marshal(map[string]any{
			"model": "good", "stream": stream, "max_tokens": 99, "prompt": "2+2", "input": "2+2", "messages": []any{map[string]any{"role": "user", "content": "2+2"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w := answers(t, g, httptest.NewRequest(http.MethodPost, s.path, bytes.NewReader(body)))
		if n := table.InFlight("M1") + table.InFlight("M2"); n != 0 {
			t.Errorf("%d requests are still counted", n)
		}
		got := w.Body.Bytes()
		switch {
		case w.Code != http.StatusOK:
			if errorShape(string(got)) != shapeAt(s.path) && !bytes.Equal(got, said) {
				t.Errorf("%d %q: neither an error nor the node's own words %q", w.Code, got, said)
			}
		case stream && registry.Lookup(s.path).Codec != nil:
			if !ends(registry.Lookup(s.path).Codec, got) {
				t.Errorf("the stream ends as if that were all: %q, of %q", got, said)
			}
		default:
			if err := scan.Object(got, func(_, _ []byte) bool { return true }); err != nil {
				t.Errorf("%q is no answer: %v", got, err)
			}
		}
	})
}

// ends reports whether a stream comes to its protocol's end, or to an error.
func ends(d protocol.Codec, stream []byte) bool {
	end := false
	var event []byte
	for line := range bytes.Lines(stream) {
		if event = append(event, line...); d.Events() && bytes.HasPrefix(line, []byte("event")) {
			continue
		}
		frame := bytes.TrimRight(event, "\r\n")
		event = nil
		if len(frame) == 0 {
			continue
		}
		p, err := d.ReadFrame(frame)
		if err == nil {
			end = end || p.Done || p.Error != ""
		}
	}
	return end
}
