package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes/gateway"
)

// lacking is a node in memory that lacks some APIs, by path, and has the others.
type lacking struct {
	scripted
	lacks  map[string]string // the bodies of its answers
	status int               // of these
}

// RoundTrip implements http.RoundTripper.
func (l *lacking) RoundTrip(r *http.Request) (*http.Response, error) {
	if body, ok := l.lacks[r.URL.Path]; ok {
		l.paths = append(l.paths, r.URL.Path)
		return answering(r, l.status, "application/json", strings.NewReader(body)), nil
	}
	return l.scripted.RoundTrip(r)
}

const embeddings, responses, chat = "/v1/embeddings", "/v1/responses", "/v1/chat/completions"

// TestLackedAPI: what is remembered of a node needs the engine's own words, or a
// second witness, and is forgotten when a check passes.
func TestLackedAPI(t *testing.T) {
	const ollama404, llama404 = "404 page not found", `{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}`
	for _, tt := range []struct {
		name, path, body string
		status           int
		checked          bool  // its check passes after the first answer
		want             []int // how often it is asked by one request after another, the last one after a passed check
		statuses         []int
	}{
		// basecamp/kamal#564, traefik/traefik#5332
		{"a proxy's words alone", embeddings, "404 page not found", 404, false, []int{1, 1, 1}, []int{404, 404, 404}},
		{"a proxy's page", embeddings, "<html><h1>404 Not Found</h1></html>", 404, false, []int{1, 1, 1}, []int{404, 404, 404}},
		// gpustack/gpustack#4010
		{"an instance that is not ready", embeddings, `{"detail":"Not Found"}`, 404, false, []int{1, 1, 1}, []int{404, 404, 404}},
		{"its own check passed meanwhile", embeddings, ollama404, 404, true, []int{2, 0, 3}, []int{404, 404, 404}},
		{"the engine's own words", embeddings, llama404, 404, false, []int{1, 0, 1}, []int{404, 404, 404}},
		{"it answers by another API", "/v1/messages", ollama404, 404, false, []int{2, 1, 2}, []int{200, 200, 200}},
		// vllm-project/vllm#22137, BerriAI/litellm#26147
		{"a response that is not known", responses, `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","code":404}}`, 404, false, []int{1, 1, 1}, []int{404, 404, 404}},
		{"a store that is off", responses, `{"error":{"message":"` + "`store=True` (default) is not supported" + `","type":"invalid_request_error"}}`, 501, false, []int{1, 1, 1}, []int{501, 501, 501}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m1 := &lacking{status: tt.status, lacks: map[string]string{tt.path: tt.body}}
				table := serving(onTransport(t, "M1", m1))
				o := gateway.Options{Wait: 10 * time.Millisecond}
				if tt.checked {
					o.Wait = 0 // which is 30 s
					time.AfterFunc(time.Millisecond, func() { table.Reinstate("M1") })
				}
				g, err := gateway.New(table, o)
				if err != nil {
					t.Fatal(err)
				}
				var asked, statuses []int
				for i := range tt.want {
					if i == len(tt.want)-1 {
						time.Sleep(time.Second)
						table.Reinstate("M1")
					}
					before := len(m1.paths)
					status, _ := asking(g, tt.path)
					asked, statuses = append(asked, len(m1.paths)-before), append(statuses, status)
				}
				if diff := cmp.Diff(tt.want, asked) + cmp.Diff(tt.statuses, statuses); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestProxyRestarts: the proxy in front of a node answers 404 for 3 s, while the
// node restarts. Afterwards the node has all its APIs.
func TestProxyRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m1, m2 := &scripted{}, &scripted{}
		restarting := tripper(func(r *http.Request) (*http.Response, error) {
			if time.Since(began) < 3*time.Second {
				_, _ = io.Copy(io.Discard, r.Body)
				return answering(r, 404, "text/plain", strings.NewReader("404 page not found")), nil
			}
			return m1.RoundTrip(r)
		})
		table := serving(onTransport(t, "M1", restarting), onTransport(t, "M2", m2))
		g, err := gateway.New(table, gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if status, node := asking(g, chat); status != 200 || node != "M2" {
				t.Errorf("meanwhile: %d by %q", status, node)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		for range 3 {
			if status, node := asking(g, chat); status != 200 || node != "M1" {
				t.Errorf("afterwards: %d by %q", status, node)
			}
		}
		if o, _ := table.Outcomes("M1", 0); len(o) != 3 {
			t.Errorf("outcomes of M1: %+v", o)
		}
	})
}
