package nodetest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
)

// exchange is what a server answers: its status, its kind of content, and the
// shape of each object, with the values that do not differ from run to run.
type exchange struct {
	Status  int
	Kind    string
	Objects []string
}

// constant are the fields whose values are compared, not only their types.
var constant = []string{"done", "done_reason", "error", "response", "content", "role", "object", "finish_reason", "type", "name", "context_length", "status", "message"}

// uncertain are the parts of messages that are not compared: how many tokens a text
// has is a matter of the tokenizer, and what is wrong with JSON one of the parser.
var uncertain = regexp.MustCompile(`(^request \()\d+|(parse error) at .*`)

// shape writes a value with its types for its values.
func shape(key string, v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, k+":"+shape(k, v[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		switch key {
		case "context":
			return "tokens"
		case "embedding":
			return "vector"
		case "args":
			return "command line"
		}
		var parts []string
		for _, e := range v {
			parts = append(parts, shape(key, e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	if slices.Contains(constant, key) {
		return uncertain.ReplaceAllString(fmt.Sprintf("%v", v), "$1$2…")
	}
	return fmt.Sprintf("%T", v)
}

// ask sends a question, with headers, name and value in turns.
func ask(t *testing.T, url, method, path, body string, header ...string) exchange {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true // a real server ends idle connections when it likes
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := exchange{Status: resp.StatusCode}
	out.Kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: ")))
		var v any
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &v) == nil:
			out.Objects = append(out.Objects, shape("", v))
		default:
			out.Objects = append(out.Objects, string(line))
		}
	}
	return out
}

// TestFakeOllamaSpeaksAsTheRealOne asks both the same, in one order, and
// compares what they say.
func TestFakeOllamaSpeaksAsTheRealOne(t *testing.T) {
	real := realollama.Start(t, realollama.Options{Models: []realollama.Model{
		{Name: "good", Spec: realollama.Right()},
		{Name: "gone", Spec: realollama.Right()},
	}})
	real.DeleteBlob("gone")
	fake := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "gone"}, {Name: "good"}}, Loaded: []string{}})
	fake.Configure(func(s *nodetest.OllamaSettings) {
		s.ModelContext, s.Trained = map[string]int{"good": 2048}, 8192
		s.BlobGone = []string{"gone"}
	})
	long := `{"model":"good","stream":false,"truncate":%t,"messages":[{"role":"user","content":"` + strings.Repeat("2+2 ", 2500) + `"}]}`
	for _, test := range []struct{ name, method, path, body string }{
		{"root", "GET", "/", ""},
		{"version", "GET", "/api/version", ""},
		{"nothing loaded", "GET", "/api/ps", ""},
		{"unload what is not loaded", "POST", "/api/generate", `{"model":"good","keep_alive":0}`},
		{"load", "POST", "/api/generate", `{"model":"good","keep_alive":-1}`},
		{"load by a chat", "POST", "/api/chat", `{"model":"good"}`},
		{"loaded", "GET", "/api/ps", ""},
		{"whole answer", "POST", "/api/chat", `{"model":"good:latest","stream":false,"messages":[{"role":"user","content":"2+2"}]}`},
		{"streamed answer", "POST", "/api/chat", `{"model":"good","messages":[{"role":"user","content":"capital of Italy"}]}`},
		{"cut by num_predict", "POST", "/api/chat", `{"model":"good","options":{"num_predict":2},"messages":[{"role":"user","content":"capital of Italy"}]}`},
		{"generate", "POST", "/api/generate", `{"model":"GOOD","prompt":"2+2","stream":false}`},
		{"thinking asked of one that can't", "POST", "/api/chat", `{"model":"good","think":true,"messages":[{"role":"user","content":"2+2"}]}`},
		{"no thinking", "POST", "/api/chat", `{"model":"good","think":false,"stream":false,"messages":[{"role":"user","content":"2+2"}]}`},
		{"prompt too long", "POST", "/api/chat", fmt.Sprintf(long, false)},
		{"prompt cut", "POST", "/api/chat", fmt.Sprintf(long, true)},
		{"another context", "POST", "/api/generate", `{"model":"good","options":{"num_ctx":1024},"keep_alive":"5m"}`},
		{"loaded with another context", "GET", "/api/ps", ""},
		{"a context above what it was trained with", "POST", "/api/generate", `{"model":"good","options":{"num_ctx":100000}}`},
		{"listed with what it was trained with", "GET", "/api/ps", ""},
		{"/v1 models", "GET", "/v1/models", ""},
		{"/v1 whole", "POST", "/v1/chat/completions", `{"model":"good","messages":[{"role":"user","content":"2+2"}]}`},
		{"/v1 stream", "POST", "/v1/chat/completions", `{"model":"good","stream":true,"messages":[{"role":"user","content":"2+2"}]}`},
		{"/v1 stream with usage", "POST", "/v1/chat/completions", `{"model":"good","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"2+2"}]}`},
		{"/v1 unknown model", "POST", "/v1/chat/completions", `{"model":"nope","messages":[{"role":"user","content":"2+2"}]}`},
		{"unknown model", "POST", "/api/chat", `{"model":"nope","messages":[{"role":"user","content":"2+2"}]}`},
		{"load of an unknown model", "POST", "/api/generate", `{"model":"nope"}`},
		{"unload of an unknown model", "POST", "/api/generate", `{"model":"nope","keep_alive":0}`},
		{"file gone", "POST", "/api/chat", `{"model":"gone","messages":[{"role":"user","content":"2+2"}]}`},
		{"file gone, load", "POST", "/api/generate", `{"model":"gone"}`},
		{"unload", "POST", "/api/chat", `{"model":"good","keep_alive":0}`},
		{"unknown path", "GET", "/health", ""},
		{"unknown method", "POST", "/api/tags", "{}"},
		{"copy", "POST", "/api/copy", `{"source":"good","destination":"twin"}`},
		{"delete", "DELETE", "/api/delete", `{"model":"twin"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := ask(t, real.URL, test.method, test.path, test.body)
			got := ask(t, fake.URL, test.method, test.path, test.body)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-real +fake):\n%s", diff)
			}
		})
	}
}
