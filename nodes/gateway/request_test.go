package gateway

import (
	"encoding/json"
	"hash/maphash"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
)

// asking reads a body as the gateway does.
func asking(t *testing.T, path, body string, header http.Header) *request {
	t.Helper()
	a := &request{API: registry.Lookup(path), header: header, buffer: newBuffer([]byte(body)), body: []byte(body)}
	a.buffer = newBuffer(a.body)
	if err := a.parseBody(false, maphash.MakeSeed()); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return a
}

// TestModelIsReplaced wherever it stands, and nothing else is touched.
func TestModelIsReplaced(t *testing.T) {
	const chats = "/v1/chat/completions"
	for _, tt := range []struct {
		name, path, body string
		model            string // that is asked for
		to               string
		want             string
	}{
		{"first", chats, `{"model":"a","x":1}`, "a", "b", `{"model":"b","x":1}`},
		{"last", chats, `{"x":1,"model":"a"}`, "a", "b", `{"x":1,"model":"b"}`},
		{"alone", chats, `{"model":"a"}`, "a", "longer/name:7b", `{"model":"longer/name:7b"}`},
		{"between", chats, `{"x":{"model":"no"},"model":"a","y":[{"model":"no"}]}`, "a", "b", `{"x":{"model":"no"},"model":"b","y":[{"model":"no"}]}`},
		{"spacing", chats, " \r\n{ \"x\" :\t1 ,\n\"model\"\n:\t\"a\"\r\n , \"y\": 2 }\n ", "a", "b", " \r\n{ \"x\" :\t1 ,\n\"model\"\n:\t\"b\"\r\n , \"y\": 2 }\n "},
		{"said in a message", chats, `{"messages":[{"role":"user","content":"\"model\":\"no\""}],"model":"a"}`, "a", "b", `{"messages":[{"role":"user","content":"\"model\":\"no\""}],"model":"b"}`},
		{"an escaped name", chats, `{"model":"a\"\u00e9\\/x"}`, `a"é\/x`, "b", `{"model":"b"}`},
		{"a name to be escaped", chats, `{"model":"a"}`, "a", "b\"\\\n", `{"model":"b\"\\\n"}`},
		{"an escaped key", chats, `{"mod\u0065l":"a","x":1}`, "a", "b", `{"mod\u0065l":"b","x":1}`},
		{"missing", chats, `{"x":1}`, "", "b", `{"model":"b","x":1}`},
		{"missing, with space", chats, "\n{ \n\"x\":1}", "", "b", "\n{\"model\":\"b\", \n\"x\":1}"},
		{"nothing at all", chats, `{}`, "", "b", `{"model":"b"}`},
		{"nothing at all, with space", chats, " { } ", "", "b", ` {"model":"b" } `},
		{"null", chats, `{"x":1,"model":null}`, "", "b", `{"x":1,"model":"b"}`},
		{"empty", chats, `{"model":""}`, "", "b", `{"model":"b"}`},
		{"the same: not a byte", chats, ` {"model" : "a"}`, "a", "a", ` {"model" : "a"}`},
		{"Ollama's older key", "/api/show", `{"name":"a","x":1}`, "a", "b", `{"name":"b","x":1}`},
		{"both keys", "/api/show", `{"name":"no","model":"a"}`, "a", "b", `{"name":"no","model":"b"}`},
		{"both keys, the other way round", "/api/show", `{"model":"a","name":"no"}`, "a", "b", `{"model":"b","name":"no"}`},
		{"twice: the last counts", chats, `{"model":"no","model":"a"}`, "a", "b", `{"model":"no","model":"b"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := asking(t, tt.path, tt.body, nil)
			if a.model != tt.model {
				t.Errorf("asked for %q, want %q", a.model, tt.model)
			}
			got := a.withModel(tt.to).bytes
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
			}
			if string(a.body) != tt.body {
				t.Errorf("the client's own was changed: %s", a.body)
			}
		})
	}
}

func TestAskIsRead(t *testing.T) {
	for _, tt := range []struct {
		name, path, body string
		stream, tools    bool
	}{
		{"OpenAI's is whole", "/v1/chat/completions", `{}`, false, false},
		{"or a stream", "/v1/chat/completions", `{"stream":true}`, true, false},
		{"Ollama's is a stream", "/api/chat", `{}`, true, false},
		{"or whole", "/api/chat", `{"stream": false }`, false, false},
		{"with tools", "/api/chat", `{"tools":[{}]}`, true, true},
		{"with an empty list of them", "/v1/messages", `{"tools":[]}`, false, false},
		{"nested ones don't count", "/v1/messages", `{"x":{"stream":true,"tools":[1]}}`, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := asking(t, tt.path, tt.body, nil); a.stream != tt.stream || a.tools != tt.tools {
				t.Errorf("stream %t, tools %t", a.stream, a.tools)
			}
		})
	}
	for _, body := range []string{``, ` `, `[]`, `"x"`, `{`, `{"model"`, `{"model":"a"`, `{"model":"a"} x`, `{model:"a"}`, "\xff\xfe", `null`, `<html>`} {
		a := &request{API: registry.Lookup("/api/chat"), body: []byte(body)}
		if err := a.parseBody(true, maphash.MakeSeed()); err == nil {
			t.Errorf("%q is taken for a request", body)
		} else if b, ok := err.(badRequest); !ok || b.status != http.StatusBadRequest {
			t.Errorf("%q: %#v", body, err)
		}
	}
}

// TestConversation: all turns of one conversation have one number, and others
// another.
func TestConversation(t *testing.T) {
	seed := maphash.MakeSeed()
	number := func(path, client, session, body string) uint64 {
		a := &request{API: registry.Lookup(path), client: client, header: http.Header{}, body: []byte(body)}
		if session != "" {
			a.header.Set(HeaderSession, session)
		}
		if err := a.parseBody(true, seed); err != nil {
			t.Fatal(err)
		}
		return a.conversation
	}
	const (
		chats  = "/v1/chat/completions"
		first  = `{"model":"a","messages":[{"role":"system","content":"s"},{"role":"user","content":"one"}]}`
		second = `{"model":"b","stream":true,"messages":[{"role":"system","content":"s"},{"role":"user","content":"one"},{"role":"assistant","content":"1"},{"role":"user","content":"two"}]}`
		other  = `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"two"}]}`
		rules  = `{"messages":[{"role":"system","content":"other"},{"role":"user","content":"one"}]}`
		parts  = `{"messages":[{"role":"user","content":[{"type":"text","text":"one"}]}]}`
		parts2 = `{"messages":[{"role":"user","content":[{"type":"text","text":"one"}]},{"role":"assistant","content":"1"}]}`
	)
	type question struct{ path, client, session, body string }
	for _, tt := range []struct {
		name string
		a, b question
		same bool
	}{
		{"two turns", question{body: first}, question{body: second}, true},
		{"two turns in parts", question{body: parts}, question{body: parts2}, true},
		{"two turns in Ollama's protocol", question{path: "/api/chat", body: first}, question{path: "/api/chat", body: second}, true},
		{"another first question", question{body: first}, question{body: other}, false},
		{"other rules", question{body: first}, question{body: rules}, false},
		{"other rules, in Anthropic's place for them", question{body: `{"system":"a","messages":[{"role":"user","content":"one"}]}`},
			question{body: `{"system":"b","messages":[{"role":"user","content":"one"}]}`}, false},
		{"prompts that begin alike go on for long", question{path: "/v1/completions", body: `{"prompt":"` + pad('x', maxPrefix) + `a"}`},
			question{path: "/v1/completions", body: `{"prompt":"` + pad('x', maxPrefix) + `b"}`}, true},
		{"other prompts", question{path: "/v1/completions", body: `{"prompt":"a"}`}, question{path: "/v1/completions", body: `{"prompt":"b"}`}, false},
		{"one session, two beginnings", question{session: "s", body: first}, question{session: "s", body: other}, true},
		{"two sessions, one beginning", question{session: "s", body: first}, question{session: "t", body: first}, false},
		{"two clients' sessions of one name", question{session: "s", client: "a", body: first}, question{session: "s", client: "b", body: first}, false},
		{"one client's, by two protocols", question{session: "s", client: "a", body: first}, question{path: "/api/chat", session: "s", client: "a", body: first}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			of := func(q question) uint64 {
				if q.path == "" {
					q.path = chats
				}
				return number(q.path, q.client, q.session, q.body)
			}
			if a, b := of(tt.a), of(tt.b); (a == b) != tt.same || a == 0 {
				t.Errorf("%x and %x, want the same: %t", a, b, tt.same)
			}
		})
	}
	if a := asking(t, chats, first, http.Header{}); a.conversation != 0 {
		t.Error("a number that nobody asked for")
	}
}

func pad(c byte, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return string(b)
}

// TestClean: what is between the client and the route stays there.
func TestClean(t *testing.T) {
	h := http.Header{
		"Accept": {"*/*"}, "Content-Type": {"application/json"}, "User-Agent": {"x"}, "X-Request-Id": {"1"}, "Anthropic-Version": {"2023-06-01"},
		"Connection": {"X-Mine, keep-alive", "x-second"}, "X-Mine": {"1"}, "X-Second": {"2"}, "Keep-Alive": {"9"},
		"Proxy-Connection": {"x"}, "Proxy-Authenticate": {"x"}, "Proxy-Authorization": {"x"}, "Te": {"trailers"}, "Trailer": {"X"},
		"Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Content-Length": {"7"}, "Expect": {"100-continue"},
		"Authorization": {"Bearer k"}, "X-Api-Key": {"k"}, "Api-Key": {"k"}, "Cookie": {"k"}, "Accept-Encoding": {"gzip"},
		HeaderSession: {"s"}, HeaderRestart: {"true"}, HeaderTimeout: {"1s"},
	}
	cleanHeader(h)
	want := http.Header{
		"Accept": {"*/*"}, "Content-Type": {"application/json"}, "User-Agent": {"x"}, "X-Request-Id": {"1"}, "Anthropic-Version": {"2023-06-01"},
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	cleanHeader(http.Header{}) // one without any is no reason to panic
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name, header, value string
		otherwise           bool
		restart             bool
		timeout             time.Duration
		fails               bool
	}{
		{name: "none"},
		{name: "none, and the default is to restart", otherwise: true, restart: true},
		{name: "restart", header: HeaderRestart, value: "true", restart: true},
		{name: "don't", header: HeaderRestart, value: "false", otherwise: true},
		{name: "perhaps", header: HeaderRestart, value: "perhaps", fails: true},
		{name: "a time", header: HeaderTimeout, value: "1m30s", timeout: 90 * time.Second},
		{name: "no unit", header: HeaderTimeout, value: "30", fails: true},
		{name: "no time", header: HeaderTimeout, value: "0s", fails: true},
		{name: "less than none", header: HeaderTimeout, value: "-1s", fails: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.header != "" {
				h.Set(tt.header, tt.value)
			}
			var a request
			timeout, err := a.parseHeader(h, tt.otherwise)
			if (err != nil) != tt.fails || !tt.fails && a.restart != tt.restart || timeout != tt.timeout {
				t.Errorf("restart %t, timeout %s, %v", a.restart, timeout, err)
			}
		})
	}
}
