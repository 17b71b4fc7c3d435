package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

const (
	clientKey = "sk-of-the-client-0123456789"
	nodeKey   = "sk-of-the-node-9876543210"
)

func TestKeys(t *testing.T) {
	_, m1 := onOllama(t, "M1", storyteller("good"))
	var observed seen
	_, address := startGateway(t, serving(m1), gateway.Options{Observer: &observed},
		gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("sk-of-bob")})
	for _, tt := range []struct {
		name   string
		header []string
		client string // empty: turned away
	}{
		{"OpenAI's header", []string{"Authorization", "Bearer " + clientKey}, "Ada"},
		{"in small letters", []string{"Authorization", "bearer " + clientKey}, "Ada"},
		{"Anthropic's header", []string{"X-Api-Key", clientKey}, "Ada"},
		{"Azure's header", []string{"Api-Key", clientKey}, "Ada"},
		{"another client's", []string{"Authorization", "Bearer sk-of-bob"}, "Bob"},
		{"none", nil, ""},
		{"an unknown one", []string{"Authorization", "Bearer sk-of-nobody"}, ""},
		{"an unknown one of Anthropic's", []string{"X-Api-Key", "sk-of-nobody"}, ""},
		{"the beginning of one", []string{"Authorization", "Bearer " + clientKey[:9]}, ""},
		{"more than one", []string{"Authorization", "Bearer " + clientKey + "0"}, ""},
		{"in another case", []string{"Authorization", "Bearer " + strings.ToUpper(clientKey)}, ""},
		{"an empty one", []string{"Authorization", "Bearer "}, ""},
		{"another scheme", []string{"Authorization", "Basic " + clientKey}, ""},
		{"in the address's place", []string{"X-Forwarded-For", clientKey}, ""},
	} {
		for path, shape := range chatPaths {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				before := len(observed.all())
				resp, body := post(t, address+path, question, tt.header...)
				if tt.client == "" {
					if resp.StatusCode != http.StatusUnauthorized || errorShape(body) != shape || resp.Header.Get("WWW-Authenticate") != "Bearer" {
						t.Errorf("want a 401 of %s's: %s %s", shape, resp.Status, body)
					}
					if o := observed.wait(t, before+1); len(o) != before+1 || o[before].Client != "" || o[before].API != path || o[before].Status != http.StatusUnauthorized {
						t.Errorf("observed %+v", o[before:])
					}
					return
				}
				if resp.StatusCode == http.StatusUnauthorized {
					t.Errorf("turned away: %s", body)
				}
				if o := observed.wait(t, before+1); len(o) != before+1 || o[before].Client != tt.client || o[before].API != path {
					t.Errorf("observed %+v", o[before:])
				}
			})
		}
		t.Run(tt.name+" /v1/models", func(t *testing.T) {
			resp, body := send(t, http.MethodGet, address+"/v1/models", nil, tt.header...)
			if (resp.StatusCode == http.StatusOK) != (tt.client != "") || tt.client == "" && strings.Contains(body, "good") {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	locked, err := gateway.New(route.New(), gateway.Options{}, gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)})
	if err != nil {
		t.Fatal(err)
	}
	open, err := gateway.New(route.New(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		by     *gateway.Gateway
		key    string
		status int
	}{
		{"without keys", open, "", http.StatusOK},
		{"with the key", locked, clientKey, http.StatusOK},
		{"without it", locked, "", http.StatusUnauthorized},
		{"with another", locked, "sk-of-nobody", http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Authorization", "Bearer "+tt.key)
			w := httptest.NewRecorder()
			tt.by.Guard(metrics).ServeHTTP(w, r)
			if w.Code != tt.status || (w.Body.String() == "metrics") != (tt.status == http.StatusOK) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestPerMinute: a key begins so many requests in a minute, and the next are
// told when that is over; others have a minute of their own.
func TestPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.New(route.New(), gateway.Options{},
			gateway.Key{Name: "Ada", Secret: nodes.NewSecret("a"), PerMinute: 2}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("b")})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(key string) (status int, wait string) {
			r := httptest.NewRequest(http.MethodGet, "/v1/models", nil)
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if w.Code == http.StatusTooManyRequests && errorShape(w.Body.String()) != "OpenAI" {
				t.Errorf("not OpenAI's: %s", w.Body)
			}
			return w.Code, w.Header().Get("Retry-After")
		}
		for i, step := range []struct {
			key    string
			status int
			wait   string
			pause  time.Duration
		}{
			{"a", http.StatusOK, "", 10 * time.Second},
			{"a", http.StatusOK, "", 10 * time.Second},
			{"a", http.StatusTooManyRequests, "40", 0},
			{"b", http.StatusOK, "", 0},
			{"b", http.StatusOK, "", 0},
			{"b", http.StatusOK, "", 39500 * time.Millisecond},
			{"a", http.StatusTooManyRequests, "1", 500 * time.Millisecond},
			{"a", http.StatusOK, "", 0},
			{"a", http.StatusOK, "", 0},
			{"a", http.StatusTooManyRequests, "60", 0},
		} {
			if status, wait := ask(step.key); status != step.status || wait != step.wait {
				t.Errorf("step %d: %d after %q, want %d after %q", i, status, wait, step.status, step.wait)
			}
			time.Sleep(step.pause)
		}
	})
}

// TestAtOnce: a key has so many requests under way, and a place is free as soon
// as one ends.
func TestAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		entered <- struct{}{}
		<-release
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{},
		gateway.Key{Name: "Ada", Secret: nodes.NewSecret("a"), AtOnce: 2}, gateway.Key{Name: "Bob", Secret: nodes.NewSecret("b")})
	var under conc.WaitGroup
	ask := func(key string) {
		under.Go(func() {
			if resp, body := post(t, address+"/v1/chat/completions", question, "X-Api-Key", key); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", resp.Status, body)
			}
		})
		<-entered
	}
	ask("a")
	ask("a")
	for path, shape := range chatPaths {
		resp, body := post(t, address+path, question, "X-Api-Key", "a")
		if resp.StatusCode != http.StatusTooManyRequests || errorShape(body) != shape || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "Ada") {
			t.Errorf("%s: want a 429 of %s's: %s %s", path, shape, resp.Status, body)
		}
	}
	ask("b")
	for range 3 {
		release <- struct{}{}
	}
	under.Wait()
	ask("a")
	release <- struct{}{}
	under.Wait()
}

// TestNoKeyLeaks: the client's key goes to no node, the node's to no client,
// whatever the node says.
func TestNoKeyLeaks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		stream bool
	}{
		{"an answer", http.StatusOK, wholeAnswer, false},
		{"a stream", http.StatusOK, streamed, true},
		{"a bad request, in the node's words", http.StatusBadRequest, `{"error":{"message":"no header KEY is known","type":"invalid_request_error"}}`, false},
		{"a key that the node doesn't know", http.StatusUnauthorized, `{"error":{"message":"Incorrect API key provided: KEY","type":"authentication_error"}}`, false},
		{"an unknown model", http.StatusNotFound, `{"error":{"message":"no model for KEY","type":"not_found_error"}}`, false},
		{"busy", http.StatusTooManyRequests, `{"error":{"message":"KEY is busy","type":"rate_limit_error"}}`, false},
		{"a failure", http.StatusInternalServerError, `{"error":{"message":"KEY broke it","type":"server_error"}}`, false},
		{"an error inside a 200", http.StatusOK, `{"error":{"message":"KEY broke it","type":"server_error"}}`, false},
		{"an error inside a stream", http.StatusOK, `data: {"error":{"message":"KEY broke it","type":"server_error"}}` + "\n\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var got []string
			m1 := onServer(t, "M1", nodeKey, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				got = append(got, fmt.Sprint(r.URL, r.Header, r.Trailer, string(body)))
				if v := r.Header["Authorization"]; !cmp.Equal(v, []string{"Bearer " + nodeKey}) {
					t.Errorf("the node was sent %q", v)
				}
				mu.Unlock()
				if tt.status != http.StatusOK {
					w.Header().Set("X-Seen", r.Header.Get("Authorization"))
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, strings.ReplaceAll(tt.body, "KEY", nodeKey))
			})
			table := serving(m1)
			told := make(chan route.Failure, 9)
			table.OnFailure(func(f route.Failure) {
				select {
				case told <- f:
				default:
				}
			})
			_, address := startGateway(t, table, gateway.Options{Wait: 50 * time.Millisecond}, gateway.Key{Name: "Ada", Secret: nodes.NewSecret(clientKey)})
			for _, header := range []string{"Authorization", "X-Api-Key", "Api-Key"} {
				key := clientKey
				if header == "Authorization" {
					key = "Bearer " + key
				}
				resp, body := post(t, address+"/v1/chat/completions", fmt.Sprintf(`{"stream":%t,"messages":[{"role":"user","content":"2+2"}]}`, tt.stream),
					header, key, "Cookie", "session="+clientKey, "Proxy-Authorization", "Bearer "+clientKey, "Connection", "X-Mine", "X-Mine", clientKey)
				if all := fmt.Sprint(resp.Header, resp.Trailer, body); strings.Contains(all, nodeKey) {
					t.Errorf("the node's key in %s %s", resp.Status, all)
				}
				if (resp.StatusCode == http.StatusOK) != (tt.status == http.StatusOK && !strings.Contains(tt.body, "KEY")) {
					t.Errorf("%s: %s", resp.Status, body)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if least := 3; len(got) < least && (tt.name != "busy" || len(got) == 0) { // a busy node is left alone
				t.Errorf("the node was asked %d times", len(got))
			}
			for _, r := range got {
				if strings.Contains(r, clientKey) {
					t.Errorf("the client's key at the node: %s", r)
				}
			}
			close(told)
			for f := range told {
				if strings.Contains(f.Detail, nodeKey) {
					t.Errorf("the node's key in what the healer is told: %+v", f)
				}
			}
		})
	}
}

// TestKeyOfAFake: a node that wants a key is asked with its own, whatever the
// client sent.
func TestKeyOfAFake(t *testing.T) {
	fake := nodetest.NewOpenAI(t, nodetest.Options{Key: nodeKey, Models: []nodetest.Model{storyteller("good")}})
	backend, err := openai.New(nodes.Connection{Node: "M1", URL: fake.URL, Key: nodes.NewSecret(nodeKey)})
	if err != nil {
		t.Fatal(err)
	}
	m1 := node(t, nodes.Node{Name: "M1", Engine: "openai", Backend: backend, Wanted: nodes.Model{Name: "good"}})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	for _, key := range []string{"", "Bearer " + clientKey} {
		resp, body := post(t, address+"/v1/chat/completions", question, "Authorization", key)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"4"`) {
			t.Errorf("with %q: %s %s", key, resp.Status, body)
		}
	}
}
