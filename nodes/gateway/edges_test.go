package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// TestHeaders: what is the route's own stays between the client and the route,
// and the rest gets through in both directions.
func TestHeaders(t *testing.T) {
	var got http.Header
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got = r.Header.Clone()
		h := w.Header()
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Request-Id", "from the node")
		h.Add("X-Many", "1")
		h.Add("X-Many", "2")
		h.Set("Set-Cookie", "a=b")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Connection", "X-Hop, keep-alive")
		h.Set("X-Hop", "1")
		h.Set(gateway.HeaderNode, "another")
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	resp, body := post(t, address+"/v1/chat/completions", question,
		"Content-Type", "application/json", "X-Stainless-Lang", "go", "Anthropic-Beta", "x", "User-Agent", "mine", "X-Many", "1", "X-Many", "2",
		gateway.HeaderSession, "s", gateway.HeaderRestart, "true", gateway.HeaderTimeout, "30s", gateway.HeaderNode, "M9", gateway.HeaderModel, "x", gateway.HeaderAttempts, "7")
	want := http.Header{
		"Content-Type": {"application/json"}, "X-Stainless-Lang": {"go"}, "Anthropic-Beta": {"x"}, "User-Agent": {"mine"}, "X-Many": {"1", "2"},
		"Content-Length": got["Content-Length"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the node got (-want +got):\n%s", diff)
	}
	if body != wholeAnswer {
		t.Errorf("the answer was changed: %s", body)
	}
	delete(resp.Header, "Date")
	wantBack := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Request-Id": {"from the node"}, "X-Many": {"1", "2"},
		"Content-Length": {fmt.Sprint(len(wholeAnswer))}, gateway.HeaderNode: {"M1"}, gateway.HeaderModel: {"good"}, gateway.HeaderAttempts: {"1"},
	}
	if diff := cmp.Diff(wantBack, resp.Header); diff != "" {
		t.Errorf("the client got (-want +got):\n%s", diff)
	}
}

// TestWrongAddresses: what is not asked so, or not at all, is said in the
// protocol that the address is of.
func TestWrongAddresses(t *testing.T) {
	_, m1 := onOllama(t, "M1", storyteller("good"))
	_, address := startGateway(t, serving(m1), gateway.Options{})
	type request struct {
		method, path, shape string
		status              int
	}
	list := []request{
		{http.MethodPost, "/v1/models", "OpenAI", http.StatusMethodNotAllowed},
		{http.MethodPost, "/api/tags", "Ollama", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v1/models/unheard-of", "OpenAI", http.StatusNotFound},
		{http.MethodGet, "/v1/audio/speech", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/audio/speech", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/messages/count_tokens", "Anthropic", http.StatusNotFound},
		{http.MethodGet, "/v1/messages/batches", "Anthropic", http.StatusNotFound},
		{http.MethodPost, "/api/pull", "Ollama", http.StatusNotFound},
		{http.MethodDelete, "/api/delete", "Ollama", http.StatusNotFound},
		{http.MethodGet, "/api/nothing", "Ollama", http.StatusNotFound},
		{http.MethodGet, "/nothing", "OpenAI", http.StatusNotFound},
		{http.MethodGet, "/v1/../api/chat/../../metrics", "OpenAI", http.StatusNotFound},
		{http.MethodPost, "/v1/chat/completions/more", "OpenAI", http.StatusNotFound},
	}
	for path, shape := range chatPaths {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			list = append(list, request{method, path, shape, http.StatusMethodNotAllowed})
		}
	}
	for _, tt := range list {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			resp, body := send(t, tt.method, address+tt.path, strings.NewReader("{}"))
			if resp.StatusCode != tt.status || errorShape(body) != tt.shape || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("want a %d of %s's: %s %s %s", tt.status, tt.shape, resp.Status, resp.Header.Get("Content-Type"), body)
			}
		})
	}
}

// TestTooLarge: a body has an end, whether its length was told or not.
func TestTooLarge(t *testing.T) {
	const most = 1 << 10
	_, m1 := onOllama(t, "M1", storyteller("good"))
	_, address := startGateway(t, serving(m1), gateway.Options{MaxBody: most})
	fits := question + strings.Repeat(" ", most-len(question))
	for path, shape := range chatPaths {
		for name, body := range map[string]io.Reader{
			"told": strings.NewReader(fits + " "), "not told": io.MultiReader(strings.NewReader(fits + " ")), "much": strings.NewReader(strings.Repeat("x", 1<<20)),
		} {
			t.Run(name+" "+path, func(t *testing.T) {
				resp, answer := send(t, http.MethodPost, address+path, body)
				if resp.StatusCode != http.StatusRequestEntityTooLarge || errorShape(answer) != shape {
					t.Errorf("want a 413 of %s's: %s %s", shape, resp.Status, answer)
				}
			})
		}
	}
	for name, body := range map[string]io.Reader{"told": strings.NewReader(fits), "not told": io.MultiReader(strings.NewReader(fits))} {
		if resp, answer := send(t, http.MethodPost, address+"/v1/chat/completions", body); resp.StatusCode != http.StatusOK {
			t.Errorf("as large as may be, %s: %s %s", name, resp.Status, answer)
		}
	}
}

// TestAddressesComeFromTheTable alone: whatever a client says of hosts, its
// request goes to the node.
func TestAddressesComeFromTheTable(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("somebody else was asked: %s %s", r.Method, r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	foreign := strings.TrimPrefix(elsewhere.URL, "http://")
	var host, asked string
	m1 := onServer(t, "M1", "", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		host, asked = r.Host, r.RequestURI
		_, _ = io.WriteString(w, wholeAnswer)
	})
	_, address := startGateway(t, serving(m1), gateway.Options{})
	address = strings.TrimPrefix(address, "http://")
	for _, tt := range []struct {
		name, line, host string
		header           string
		status           int
		asked            string
	}{
		{"an absolute address", "POST http://" + foreign + "/v1/chat/completions HTTP/1.1", foreign, "", 200, "/v1/chat/completions"},
		{"another host", "POST /v1/chat/completions HTTP/1.1", foreign, "", 200, "/v1/chat/completions"},
		{"another host behind a proxy", "POST /v1/chat/completions HTTP/1.1", address, "X-Forwarded-Host: " + foreign, 200, "/v1/chat/completions"},
		{"a host in the headers of other proxies", "POST /v1/chat/completions HTTP/1.1", address, "Forwarded: host=" + foreign + "\r\nX-Original-Url: http://" + foreign, 200, "/v1/chat/completions"},
		{"a query", "POST /v1/chat/completions?url=http://" + foreign + "&a=%2F HTTP/1.1", address, "", 200, "/v1/chat/completions?url=http://" + foreign + "&a=%2F"},
		{"a tunnel", "CONNECT " + foreign + " HTTP/1.1", foreign, "", 405, ""},
		{"a path with two slashes", "POST //" + foreign + "/v1/chat/completions HTTP/1.1", address, "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host, asked = "", ""
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			header := tt.header
			if header != "" {
				header += "\r\n"
			}
			if _, err := fmt.Fprintf(conn, "%s\r\nHost: %s\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", tt.line, tt.host, header, len(question), question); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.status {
				t.Errorf("%s %s %v", resp.Status, answer, err)
			}
			if asked != tt.asked || host == foreign || strings.Contains(string(answer), foreign) && tt.status == 200 {
				t.Errorf("the node was asked %q as %q; the client got %s", asked, host, answer)
			}
		})
	}
}

// TestSlowClients: who sends too slowly, or leaves too much unread, is cut off,
// and the node's work for it ends.
func TestSlowClients(t *testing.T) {
	type client func(conn net.Conn, sends *conc.WaitGroup) (answer string)
	read := func(conn net.Conn) string {
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	for _, tt := range []struct {
		name   string
		client client
		after  time.Duration
		answer string
		left   bool
	}{
		{"a header that doesn't end", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\n")
			return read(conn)
		}, 10 * time.Second, "", false},
		{"a header larger than may be", func(conn net.Conn, sends *conc.WaitGroup) string {
			sends.Go(func() { _, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nX: "+strings.Repeat("x", 1<<20)) })
			return read(conn)
		}, 500 * time.Millisecond, "431 Request Header Fields Too Large", false},
		{"a body that doesn't end", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")
			return read(conn)
		}, time.Minute, `{"error":"the request is incomplete`, false},
		{"a body byte by byte", func(conn net.Conn, sends *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")
			sends.Go(func() {
				for range 99 {
					time.Sleep(7 * time.Second)
					if _, err := io.WriteString(conn, " "); err != nil {
						return
					}
				}
			})
			return read(conn)
		}, time.Minute, `{"error":"the request is incomplete`, false},
		{"a connection on which nothing is asked any more", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			return read(conn)
		}, 2 * time.Minute, "Ollama is running", false},
		{"a stream that isn't read", func(conn net.Conn, _ *conc.WaitGroup) string {
			_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{\"messages\":[{}]}")
			time.Sleep(time.Minute + time.Second)
			return read(conn)
		}, time.Minute + time.Second, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := &tirelessly{line: []byte(`{"model":"good","message":{"role":"assistant","content":"more "},"done":false}` + "\n")}
				m1 := onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
					return answering(r, http.StatusOK, "application/x-ndjson", body), nil
				}))
				table := serving(m1)
				var observed seen
				g, err := gateway.New(table, gateway.Options{Observer: &observed})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var network nodetest.Network
				l, err := network.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				var serves conc.WaitGroup
				serves.Go(func() {
					if err := g.Serve(ctx, l, time.Second); err != nil {
						t.Error(err)
					}
				})
				conn, err := network.DialContext(ctx, "tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var sends conc.WaitGroup
				answer := tt.client(conn, &sends)
				if took := time.Since(began); took != tt.after {
					t.Errorf("cut off after %s, want %s", took, tt.after)
				}
				if !strings.Contains(answer, tt.answer) || tt.answer == "" && strings.Contains(answer, `"done":true`) {
					t.Errorf("%q, want %q in it", answer, tt.answer)
				}
				_ = conn.Close()
				sends.Wait()
				cancel()
				serves.Wait()
				if o := observed.all(); tt.left && (len(o) != 1 || !o[0].Left) {
					t.Errorf("observed %+v", o)
				}
				if n := table.InFlight("M1"); n != 0 {
					t.Errorf("%d are still under way", n)
				}
			})
		})
	}
}

// tirelessly says one line for ever.
type tirelessly struct{ line []byte }

// Read implements io.Reader.
func (e *tirelessly) Read(p []byte) (int, error) { return copy(p, e.line), nil }
