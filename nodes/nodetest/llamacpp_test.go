package nodetest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes/nodetest"
)

// llamaClient asks a fake llama-server over a network in memory.
type llamaClient struct {
	t    *testing.T
	http *http.Client
	url  string
}

// inLlama plays a test with a fake llama-server in virtual time.
func inLlama(t *testing.T, router bool, o nodetest.Options, play func(*testing.T, *nodetest.LlamaCPP, llamaClient)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network = &nodetest.Network{}
		t.Cleanup(o.Network.Close)
		start := nodetest.NewLlamaCPP
		if router {
			start = nodetest.NewLlamaCPPRouter
		}
		fake := start(t, o)
		play(t, fake, llamaClient{t, &http.Client{Transport: o.Network.Transport()}, fake.URL})
	})
}

// do returns the status and the body of an answer, and the error in place of them.
func (c llamaClient) do(ctx context.Context, method, path, body string, header ...string) string {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Sprint(resp.StatusCode, " cut off")
	}
	return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(b)))
}

func (c llamaClient) get(path string) string { return c.do(c.t.Context(), http.MethodGet, path, "") }

func (c llamaClient) post(path, body string) string {
	return c.do(c.t.Context(), http.MethodPost, path, body)
}

// want fails the test unless an answer holds each of the parts.
func (c llamaClient) want(what, answer string, parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		if !strings.Contains(answer, part) {
			c.t.Errorf("%s: %q is not in %s", what, part, answer)
		}
	}
}

func askRome(model string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"What is the capital of Italy?"}]}`, model)
}

var threeModels = []nodetest.Model{{Name: "a"}, {Name: "b"}, {Name: "c", LoadTime: time.Minute}}

// TestLlamaBusyModelIsWaitedFor: where no more models fit, a chat waits for a busy
// one and a load is refused; an idle one goes at once.
func TestLlamaBusyModelIsWaitedFor(t *testing.T) {
	inLlama(t, true, nodetest.Options{Models: threeModels}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.ModelsMax = 1 })
		fake.Break(nodetest.Wedged) // a chat that stays under way
		busy := make(chan string)
		go func() { busy <- c.post("/v1/chat/completions", askRome("a")) }()
		time.Sleep(time.Second)
		c.want("load", c.post("/models/load", `{"model":"b"}`), "500", "model limit reached, try again later")
		waits := make(chan string)
		go func() { waits <- c.post("/v1/chat/completions", askRome("b")) }()
		time.Sleep(time.Minute)
		select {
		case answer := <-waits:
			t.Errorf("it did not wait: %s", answer)
		default:
		}
		fake.Mend()
		c.want("the busy one", <-busy, "200", "Rome")
		c.want("the one that waited", <-waits, "200", "Rome")
		c.want("the idle one", c.post("/models/load", `{"model":"c"}`), "200")
		c.want("while it loads", c.post("/models/load", `{"model":"a"}`), "500", "model limit reached")
	})
}

// TestLlamaSlots: more questions than slots wait in line.
func TestLlamaSlots(t *testing.T) {
	inLlama(t, false, nodetest.Options{}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.Slots = 1 })
		c.want("never used", c.get("/slots"), `[{"id":0,"is_processing":false,"n_ctx":4096,"speculative":false}]`)
		fake.Break(nodetest.HangMidAnswer)
		ctx, leave := context.WithCancel(t.Context())
		first, second := make(chan string), make(chan string)
		go func() { first <- c.do(ctx, http.MethodPost, "/v1/chat/completions", askRome("good")) }()
		time.Sleep(time.Second)
		c.want("busy", c.get("/slots"), `"is_processing":true`, `"next_token":[{`)
		c.want("busy", c.get("/slots?fail_on_no_slot=1"), "503", "no slot available")
		go func() { second <- c.post("/v1/chat/completions", askRome("good")) }()
		time.Sleep(time.Minute)
		fake.Mend()
		leave()
		<-first
		c.want("the second", <-second, "200", "Rome")
		c.want("idle again", c.get("/slots"), `"is_processing":false`, `"id_task":0`)
	})
}

// TestLlamaUnloadUnderAStream: ten seconds, then the process is killed. A chat that
// came meanwhile is answered by the next process.
func TestLlamaUnloadUnderAStream(t *testing.T) {
	slow := []nodetest.Model{{Name: "a", TokensPerSecond: 0.1}, {Name: "b"}}
	inLlama(t, true, nodetest.Options{Models: slow}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		stream := make(chan string)
		go func() {
			stream <- c.post("/v1/chat/completions", strings.Replace(askRome("a"), "{", `{"stream":true,`, 1))
		}()
		time.Sleep(time.Second)
		c.want("unload", c.post("/models/unload", `{"model":"a"}`), "200")
		later := make(chan string)
		go func() { later <- c.post("/v1/chat/completions", askRome("a")) }()
		time.Sleep(9 * time.Second)
		c.want("list", c.get("/models"), `"value":"loaded"`)
		c.want("slots", c.get("/slots?model=a&autoload=false"), "500 proxy error: Could not establish connection")
		c.want("load", c.post("/models/load", `{"model":"a"}`), "already running")
		time.Sleep(1100 * time.Millisecond)
		c.want("stream", <-stream, "200", "proxy error: Failed to read connection")
		c.want("the chat after it", <-later, "200", "Rome")
		c.post("/v1/chat/completions", askRome("b"))
		fake.Break(nodetest.Wedged)
		c.post("/models/unload", `{"model":"a"}`)
		time.Sleep(11 * time.Second)
		c.want("list of one that was killed", c.get("/models"), `"exit_code":1,"failed":true`)
		fake.Mend()
		c.post("/models/unload", `{"model":"b"}`)
		time.Sleep(time.Second)
		if list := c.get("/models"); strings.Count(list, "exit_code") != 1 {
			t.Errorf("one that ended in good order is listed as failed: %s", list)
		}
	})
}

// TestLlamaTerminated: new connections are refused, and what is under way stands
// still until its client leaves.
func TestLlamaTerminated(t *testing.T) {
	inLlama(t, false, nodetest.Options{Models: []nodetest.Model{{Name: "good", TokensPerSecond: 1}}}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		ctx, leave := context.WithCancel(t.Context())
		stream := make(chan string)
		go func() {
			stream <- c.do(ctx, http.MethodPost, "/v1/chat/completions", strings.Replace(askRome("good"), "{", `{"stream":true,`, 1))
		}()
		time.Sleep(1500 * time.Millisecond)
		fake.Terminate()
		c.want("a new request", c.get("/health"), "no answer")
		time.Sleep(time.Hour)
		select {
		case answer := <-stream:
			t.Errorf("it ended: %s", answer)
		default:
		}
		leave()
		c.want("the stream", <-stream, "200 cut off")
		fake.Restart()
		c.want("after a restart", c.get("/health"), "200")
	})
}

// TestLlamaRefusals holds the server's own words.
func TestLlamaRefusals(t *testing.T) {
	const chat = "/v1/chat/completions"
	begun := `"messages":[{"role":"user","content":"What is the capital of Italy?"},{"role":"assistant","content":"The capital"}`
	inLlama(t, true, nodetest.Options{Models: threeModels, Key: "k"}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.Context, s.NoEmbeddings = 20, true })
		for _, tt := range []struct {
			method, path, body string
			want               []string
		}{
			{"POST", chat, `{"messages":[]}`, []string{"400", "model name is missing from the request"}},
			{"POST", chat, askRome("zz"), []string{"400", "model 'zz' not found"}},
			{"POST", chat, `{"model"`, []string{"400", "[json.exception.parse_error.101]"}},
			{"POST", chat, `{"model":"a"}`, []string{"400", "'messages' is required"}},
			{"POST", chat, `{"model":"a","messages":"x"}`, []string{"400", "Expected 'messages' to be an array"}},
			{"POST", chat, `{"model":"a","messages":[]}`, []string{"200", "choices"}},
			{"POST", chat, `{"model":"a","max_tokens":0,` + begun + `]}`, []string{"200", `"The capital is"`, `"finish_reason":"length"`}},
			{"POST", chat, `{"model":"a","continue_final_message":true,` + begun + `]}`, []string{"400", "Cannot set both add_generation_prompt and continue_final_message"}},
			{"POST", chat, `{"model":"a",` + begun + `,{"role":"assistant","content":"x"}]}`, []string{"400", "Cannot have 2 or more assistant messages"}},
			{"POST", chat, strings.Replace(askRome("a"), "capital", strings.Repeat("word ", 30), 1), []string{"400", "request (35 tokens) exceeds the available context size (20 tokens)", `"n_prompt_tokens":35`}},
			{"POST", "/v1/messages", `{"model":"a"}`, []string{"500", `"type":"server_error"`, "'messages' is required"}},
			{"POST", "/v1/messages/count_tokens", `{"model":"a","messages":[{"role":"user","content":"x y"}]}`, []string{"200", "input_tokens"}},
			{"POST", "/v1/responses", `{"model":"a","input":[{"role":"assistant","content":"x"}]}`, []string{"400", "Cannot determine type of 'item'"}},
			{"POST", "/v1/embeddings", `{"model":"a","input":"x"}`, []string{"501", "Start it with `--embeddings`"}},
			{"POST", "/models/load", `{"model":"zz"}`, []string{"404", "File Not Found"}},
			{"POST", "/models/unload", `{"model":"zz"}`, []string{"400", "model is not found"}},
			{"POST", "/models/unload", `{"model":"b"}`, []string{"400", "model is not running"}},
			{"POST", "/models", `{"model":"b"}`, []string{"400", "invalid HF repo format"}},
			{"POST", "/models", `{"model":"noslash"}`, []string{"400", "invalid HF repo format"}},
			{"DELETE", "/models?model=a", "", []string{"500", "not removable"}},
			{"GET", "/slots", "", []string{"400", "model name is missing"}},
			{"GET", "/props?model=b&autoload=false", "", []string{"400", "model is not loaded"}},
			{"GET", "/v1/models/a", "", []string{"404", "File Not Found"}},
		} {
			c.want(tt.method+" "+tt.path+" "+tt.body, c.do(t.Context(), tt.method, tt.path, tt.body, "X-Api-Key", "k"), tt.want...)
		}
		for path, want := range map[string]string{"/health": "200", "/v1/health": "200", "/models": "401", "/nope": "401"} {
			c.want(path+" without a key", c.get(path), want)
		}
		c.want("the refusal", c.get("/models"), `"message":"Invalid API Key"`)
	})
}

// TestLlamaPrefill: which answers hold what was given.
func TestLlamaPrefill(t *testing.T) {
	body := func(more string) string {
		return `{"model":"good",` + more + `"messages":[{"role":"user","content":"What is the capital of Italy?"},{"role":"assistant","content":"The capital"}]}`
	}
	const fields = `"continue_final_message":true,"add_generation_prompt":false,`
	for _, tt := range []struct {
		name, path, more string
		noPrefill        bool
		want             string
	}{
		{"default", "/v1/chat/completions", "", false, `"content":"The capital is Rome."`},
		{"by its fields", "/v1/chat/completions", fields, true, `"content":"The capital is Rome."`},
		{"Anthropic", "/v1/messages", "", false, `"text":"The capital is Rome."`},
		{"a stream", "/v1/chat/completions", `"stream":true,`, false, `{"content":" is"}`},
		{"a stream by its fields", "/v1/chat/completions", `"stream":true,` + fields, true, `{"content":" is"}`},
		{"a stream without prefill", "/v1/chat/completions", `"stream":true,`, true, `{"content":"The"}`},
		{"Anthropic's fields are not read", "/v1/messages", `"stream":true,` + fields, true, `"text":"The"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLlama(t, false, nodetest.Options{}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
				fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.NoPrefill = tt.noPrefill })
				answer := c.post(tt.path, body(tt.more))
				c.want(tt.path, answer, "200", tt.want)
				if strings.Contains(tt.want, " is") && strings.Contains(tt.more, "stream") && strings.Contains(answer, `"The"`) {
					t.Errorf("it began anew: %s", answer)
				}
			})
		})
	}
}

// TestLlamaContextEndsAnAnswer: there is no shift of a full context.
func TestLlamaContextEndsAnAnswer(t *testing.T) {
	long := nodetest.Model{Name: "good", Knowledge: map[string]string{"capital": strings.Repeat("la ", 50)}}
	inLlama(t, false, nodetest.Options{Models: []nodetest.Model{long}}, func(t *testing.T, fake *nodetest.LlamaCPP, c llamaClient) {
		fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.Context = 16 })
		c.want("OpenAI", c.post("/v1/chat/completions", askRome("good")), `"finish_reason":"length"`, `"completion_tokens":10`)
		c.want("Anthropic", c.post("/v1/messages", askRome("good")), `"stop_reason":"max_tokens"`)
	})
}

// TestLlamaTellsOfItsModels: the stream of a router's events.
func TestLlamaTellsOfItsModels(t *testing.T) {
	inLlama(t, true, nodetest.Options{Models: threeModels, Loaded: []string{}}, func(t *testing.T, _ *nodetest.LlamaCPP, c llamaClient) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/models/sse", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		go func() {
			time.Sleep(time.Second)
			c.post("/models/load", `{"model":"c"}`)
			time.Sleep(2 * time.Minute)
			c.post("/models/unload", `{"model":"c"}`)
		}()
		var got []string
		for len(got) < 4 && lines.Scan() {
			for _, part := range []string{`"status":"loading","`, `"status":"loading"}`, `"status":"loaded"`, `"status":"unloaded"`} {
				if strings.Contains(lines.Text(), part) {
					got = append(got, part)
				}
			}
		}
		if len(got) < 4 || !slices.Contains(got, `"status":"unloaded"`) {
			t.Errorf("told %q", got)
		}
	})
}
