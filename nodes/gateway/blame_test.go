package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/route"
)

// received is a response, and what it took.
type received struct {
	status   int
	body     string
	wait     string // Retry-After
	took     time.Duration
	attempts int
}

func receivedOf(g http.Handler, path string, nodes ...*scripted) received {
	before := 0
	for _, n := range nodes {
		before -= len(n.paths)
	}
	began := time.Now()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(question)))
	for _, n := range nodes {
		before += len(n.paths)
	}
	return received{w.Code, w.Body.String(), w.Header().Get("Retry-After"), time.Since(began), before}
}

// requestFaults are errors that servers answer to what is wrong with the request,
// by the status of a failed server.
var requestFaults = []struct{ report, path, body string }{
	{"ggml-org/llama.cpp#13566", "/v1/chat/completions", `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`},
	{"ggml-org/llama.cpp#19851", "/v1/chat/completions", `{"error":{"code":500,"message":"Value is not callable: null at row 1, column 72","type":"server_error"}}`},
	{"SWE-agent/mini-swe-agent#759", "/v1/chat/completions", `{"error":{"code":500,"message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"server_error"}}`},
	{"ggml-org/llama.cpp#12295", "/v1/embeddings", `{"error":{"code":500,"message":"input is too large to process. increase the physical batch size","type":"server_error"}}`},
	{"mistralai/mistral-vibe#1006", "/v1/chat/completions", `{"error":{"code":500,"message":"json.exception.type_error.316: incomplete UTF-8 string","type":"server_error"}}`},
}

// TestRequestsFault: a failure that follows the request to the second node is the
// request's. The client gets the node's words, and the nodes are as before.
func TestRequestsFault(t *testing.T) {
	for _, tt := range requestFaults {
		t.Run(tt.report, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1, m2 := &scripted{status: 500, body: tt.body}, &scripted{status: 500, body: tt.body}
				table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2))
				table.OnFailure(func(f route.Failure) { t.Errorf("reported: %+v", f) })
				g, err := gateway.New(table, gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := receivedOf(g, tt.path, m1, m2), (received{status: 500, body: tt.body, attempts: 2}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				for _, name := range []string{"M1", "M2"} {
					if o, _ := table.Outcomes(name, 0); len(o) != 0 {
						t.Errorf("%s's outcomes: %+v", name, o)
					}
				}
				m1.status = 0
				if got := receivedOf(g, "/v1/chat/completions", m1); got.status != 200 || got.attempts != 1 {
					t.Errorf("the next request: %+v, want it by M1", got)
				}
			})
		})
	}
}

// TestForbiddenOrigin: Ollama refuses an origin that it doesn't know by 403
// (ollama/ollama#6021).
func TestForbiddenOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1, m2 := &scripted{status: 403}, &scripted{status: 403}
		table := serving(onTransport(t, "M1", m1), onTransport(t, "M2", m2))
		table.OnFailure(func(f route.Failure) { t.Errorf("reported: %+v", f) })
		g, err := gateway.New(table, gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := receivedOf(g, "/v1/chat/completions", m1, m2); got.status != 403 || got.attempts != 2 || got.took != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestOneNodeFails: a node that is alone and answers by an error is asked to be
// checked. If its check passes and the request fails again, it is the request;
// without a check there are few attempts.
func TestOneNodeFails(t *testing.T) {
	const words = `{"error":{"message":"Value is not callable: null at row 1, column 72"}}`
	for _, tt := range []struct {
		name     string
		passes   time.Duration // after which its check passes, 0 for never
		mends    bool          // it is well again after 2 s
		want     received
		outcomes int
	}{
		{"its check passes", 50 * time.Millisecond, false, received{500, words, "", 50 * time.Millisecond, 2}, 0},
		{"it was repaired", 0, true, received{200, wholeAnswer, "", 3 * time.Second, 3}, 1},
		{"it is never checked", 0, false, received{500, words, "1", 3 * time.Second, 3}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1 := &scripted{status: 500, body: words}
				began := time.Now()
				table := serving(onTransport(t, "M1", tripper(func(r *http.Request) (*http.Response, error) {
					if tt.mends && time.Since(began) > 2*time.Second {
						m1.status = 0
					}
					return m1.RoundTrip(r)
				})))
				var reported []route.Failure
				table.OnFailure(func(f route.Failure) {
					reported = append(reported, f)
					if tt.passes > 0 {
						time.AfterFunc(tt.passes, func() { table.Reinstate("M1") })
					}
				})
				g, err := gateway.New(table, gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if got := receivedOf(g, "/v1/chat/completions", m1); got != tt.want {
					t.Errorf("%+v, want %+v", got, tt.want)
				}
				if len(reported) != 1 || !reported[0].Answered {
					t.Errorf("reported: %+v, want one that the node answered", reported)
				}
				if o, _ := table.Outcomes("M1", 0); len(o) > 2 || tt.outcomes == 0 && len(o) > 0 {
					t.Errorf("outcomes: %+v", o)
				}
			})
		})
	}
}

// TestFailsOnce: the failures of one request on one node are one outcome, however
// often it was tried.
func TestFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1 := &scripted{status: 502, body: "<html>bad gateway</html>"}
		table := serving(onTransport(t, "M1", m1))
		g, err := gateway.New(table, gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := receivedOf(g, "/v1/chat/completions", m1); got.status != 502 || got.attempts > 9 || got.attempts < 4 {
			t.Errorf("%+v, want 4 to 9 attempts", got)
		}
		if o, _ := table.Outcomes("M1", 0); len(o) != 1 || !o[0].Failed {
			t.Errorf("outcomes: %+v, want one", o)
		}
	})
}

// TestRetryAfter: a node that asked for a pause is left alone for so long, by all
// requests, and a client that can't wait so long is told the earliest time.
func TestRetryAfter(t *testing.T) {
	const words = `{"error":{"message":"later"}}`
	busy := func(seconds string) *scripted {
		s := &scripted{status: 429, body: words}
		if seconds != "" {
			s.header = http.Header{"Retry-After": {seconds}}
		}
		return s
	}
	for _, tt := range []struct {
		name   string
		m1, m2 *scripted
		want   []received // by one request after another
	}{
		{"an hour", busy("3600"), nil, []received{{429, words, "3600", 0, 1}, {429, "", "3600", 0, 0}}},
		{"the earliest of two", busy("3600"), busy("600"), []received{{429, words, "600", 0, 2}, {429, "", "600", 0, 0}}},
		{"20 seconds are waited for", busy("20"), nil, []received{{429, words, "20", 20 * time.Second, 2}}},
		{"no time named: few attempts", busy(""), nil, []received{{429, words, "8", 23 * time.Second, 6}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all, list := []*scripted{tt.m1}, serving(onTransport(t, "M1", tt.m1))
				if tt.m2 != nil {
					all, list = append(all, tt.m2), serving(onTransport(t, "M1", tt.m1), onTransport(t, "M2", tt.m2))
				}
				g, err := gateway.New(list, gateway.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range tt.want {
					got := receivedOf(g, "/v1/chat/completions", all...)
					if want.body == "" {
						got.body = ""
					}
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(received{})); diff != "" {
						t.Errorf("request %d, -want +got:\n%s", i, diff)
					}
				}
			})
		})
	}
}
