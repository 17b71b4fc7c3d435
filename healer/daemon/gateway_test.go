package daemon

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

// TestGateway: the daemon takes clients' requests, lets in who may, and counts
// what it did.
func TestGateway(t *testing.T) {
	const key = "sk-client-0123456789"
	for _, keys := range []bool{false, true} {
		t.Run(map[bool]string{false: "open", true: "by keys"}[keys], func(t *testing.T) {
			c := watching(t)
			c.Gateway.Listen = "127.0.0.1:0"
			if keys {
				c.Gateway.Keys = []gateway.Key{{Name: "desk", Secret: nodes.NewSecret(key)}}
			}
			up := make(chan struct{}, 100)
			c.Healer.Sinks = []healer.Sink{healer.SinkFunc(func(e healer.Event) {
				if e.Type == healer.EventHealthy {
					up <- struct{}{}
				}
			})}
			d, err := New(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var running conc.WaitGroup
			running.Go(func() {
				if err := d.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
			defer func() {
				cancel()
				running.Wait()
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}()
			select {
			case <-up:
			case <-time.After(2 * time.Minute):
				t.Fatal("the node is not healthy")
			}
			chat := `{"model":"auto","messages":[{"role":"user","content":"What is 2+2?"}]}`
			for _, test := range []struct {
				name, method, path, host, key string
				open, keyed                   int
			}{
				{"a client", "POST", "/v1/chat/completions", "", key, 200, 200},
				{"without a key", "POST", "/v1/chat/completions", "", "", 200, 401},
				{"another key", "POST", "/v1/chat/completions", "", key + "0", 200, 401},
				{"metrics", "GET", "/metrics", "", key, 200, 200},
				{"metrics without a key", "GET", "/metrics", "", "", 200, 401},
				{"by another name", "POST", "/v1/chat/completions", "evil.example", key, 403, 200},
			} {
				req, err := http.NewRequestWithContext(ctx, test.method, "http://"+d.GatewayAddress()+test.path, strings.NewReader(chat))
				if err != nil {
					t.Fatal(err)
				}
				if test.host != "" {
					req.Host = test.host
				}
				if test.key != "" {
					req.Header.Set("Authorization", "Bearer "+test.key)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := test.open
				if keys {
					want = test.keyed
				}
				if err != nil || resp.StatusCode != want || strings.Contains(string(body), "sk-") {
					t.Errorf("%s: %s, want %d: %v %s", test.name, resp.Status, want, err, body)
				}
				if test.name == "a client" && resp.Header.Get(gateway.HeaderNode) != "M1" {
					t.Errorf("answered by %q", resp.Header.Get(gateway.HeaderNode))
				}
				if test.name == "metrics" && !strings.Contains(string(body), `jarvis_gateway_requests_total{api="/v1/chat/completions",`) {
					t.Errorf("the requests are not counted:\n%s", body)
				}
			}
		})
	}
}
