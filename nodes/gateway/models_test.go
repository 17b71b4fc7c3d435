package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ollama/ollama/api"
	goopenai "github.com/sashabaranov/go-openai"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/openai"
	"github.com/turbone/jarvis/nodes/route"
)

// library is a cluster of two Ollamas, a server of the OpenAI protocol, and one
// that doesn't serve.
func library(t *testing.T) string {
	t.Helper()
	_, m1 := onOllama(t, "M1", nodetest.Model{Name: "good", Size: 7 << 30, Digest: "abc"}, nodetest.Model{Name: "spare"})
	_, m2 := onOllama(t, "M2", nodetest.Model{Name: "good"}, nodetest.Model{Name: "team/Other:7b"})
	_, m3 := onEngine(t, "openai", "M3")
	_, m4 := onOllama(t, "M4", nodetest.Model{Name: "hidden"})
	table := serving(m1, m2, m3, m4)
	table.Serve("M4", false)
	_, address := startGateway(t, table, gateway.Options{Roles: map[string]map[string]string{"writer": {"M2": "team/other:7b"}, "coder": {"M1": "spare"}}})
	return address
}

func TestOpenAILists(t *testing.T) {
	address := library(t)
	resp, body := send(t, http.MethodGet, address+"/v1/models", nil)
	want := `{"data":[` +
		`{"created":0,"id":"auto","object":"model","owned_by":"jarvis"},{"created":0,"id":"coder","object":"model","owned_by":"jarvis"},` +
		`{"created":0,"id":"writer","object":"model","owned_by":"jarvis"},{"created":0,"id":"good:latest","object":"model","owned_by":"M1"},` +
		`{"created":0,"id":"spare:latest","object":"model","owned_by":"M1"},{"created":0,"id":"team/other:7b","object":"model","owned_by":"M2"},` +
		`{"created":0,"id":"good","object":"model","owned_by":"M3"}],"object":"list"}`
	if diff := cmp.Diff(want, body); diff != "" || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v (-want +got):\n%s", resp.Status, resp.Header, diff)
	}
	for path, want := range map[string]string{
		"auto":              `{"created":0,"id":"auto","object":"model","owned_by":"jarvis"}`,
		"writer":            `{"created":0,"id":"writer","object":"model","owned_by":"jarvis"}`,
		"good:latest":       `{"created":0,"id":"good:latest","object":"model","owned_by":"M1"}`,
		"spare":             `{"created":0,"id":"spare:latest","object":"model","owned_by":"M1"}`,
		"team/other:7b":     `{"created":0,"id":"team/other:7b","object":"model","owned_by":"M2"}`,
		"team%2Fother%3A7b": `{"created":0,"id":"team/other:7b","object":"model","owned_by":"M2"}`,
		"TEAM/Other:7b":     `{"created":0,"id":"team/other:7b","object":"model","owned_by":"M2"}`,
		"hidden":            "",
		"unheard-of":        "",
	} {
		t.Run(path, func(t *testing.T) {
			switch resp, body := send(t, http.MethodGet, address+"/v1/models/"+path, nil); {
			case want == "" && (resp.StatusCode != http.StatusNotFound || errorShape(body) != "OpenAI"):
				t.Errorf("want a 404: %s %s", resp.Status, body)
			case want != "" && (resp.StatusCode != http.StatusOK || body != want):
				t.Errorf("%s %s, want %s", resp.Status, body, want)
			}
		})
	}
	config := goopenai.DefaultConfig("")
	config.BaseURL = address + "/v1"
	client := goopenai.NewClientWithConfig(config)
	list, err := client.ListModels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range list.Models {
		ids = append(ids, m.ID)
	}
	if diff := cmp.Diff([]string{"auto", "coder", "writer", "good:latest", "spare:latest", "team/other:7b", "good"}, ids); diff != "" {
		t.Errorf("go-openai (-want +got):\n%s", diff)
	}
	if m, err := client.GetModel(t.Context(), "writer"); err != nil || m.ID != "writer" {
		t.Errorf("go-openai: %+v, %v", m, err)
	}
}

func TestOllamaLists(t *testing.T) {
	address := library(t)
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	client := api.NewClient(base, http.DefaultClient)
	if err := client.Heartbeat(t.Context()); err != nil {
		t.Errorf("heartbeat: %v", err)
	}
	if v, err := client.Version(t.Context()); err != nil || v != "0.17.4" {
		t.Errorf("version %q, %v", v, err)
	}
	type model struct {
		Name, Digest string
		Size         int64
	}
	tags, err := client.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range tags.Models {
		if m.Name != m.Model {
			t.Errorf("name %q, model %q", m.Name, m.Model)
		}
		names = append(names, m.Name)
	}
	if diff := cmp.Diff([]string{"auto", "coder", "writer", "good:latest", "spare:latest", "team/other:7b", "good"}, names); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if m := tags.Models[3]; m.Digest != "abc" || m.Size != 7<<30 || m.Details.Format != "gguf" {
		t.Errorf("tags: %+v", m)
	}
	ps, err := client.ListRunning(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var loaded []model
	for _, m := range ps.Models {
		loaded = append(loaded, model{m.Name, m.Digest, m.Size})
		if m.ExpiresAt.Before(time.Now()) {
			t.Errorf("%s is taken for one about to be unloaded", m.Name)
		}
	}
	if diff := cmp.Diff([]model{{"good:latest", "abc", 7 << 30}, {Name: "good"}}, loaded); diff != "" {
		t.Errorf("ps (-want +got):\n%s", diff)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		resp, body := send(t, method, address+"/", nil)
		if resp.StatusCode != http.StatusOK || method == http.MethodGet && body != "Ollama is running" || method == http.MethodHead && body != "" {
			t.Errorf("%s /: %s %q", method, resp.Status, body)
		}
	}
}

// shelf is a backend whose list is a test's.
type shelf struct {
	*openai.Backend
	probe func(context.Context) (nodes.Snapshot, error)
}

// Probe implements nodes.Backend.
func (s shelf) Probe(ctx context.Context) (nodes.Snapshot, error) { return s.probe(ctx) }

func onShelf(t *testing.T, name string, timeout time.Duration, probe func(context.Context) (nodes.Snapshot, error)) *nodes.Node {
	t.Helper()
	backend, err := openai.New(nodes.Connection{Node: name, URL: "http://" + name + ".invalid"})
	if err != nil {
		t.Fatal(err)
	}
	return node(t, nodes.Node{Name: name, Engine: "openai", Backend: shelf{backend, probe}, Wanted: nodes.Model{Name: "good"}, ProbeTimeout: timeout})
}

func onlyLoaded(models ...string) func(context.Context) (nodes.Snapshot, error) {
	return func(context.Context) (nodes.Snapshot, error) {
		var s nodes.Snapshot
		for _, m := range models {
			s.Loaded = append(s.Loaded, nodes.Instance{ID: m, Model: m})
		}
		return s, nil
	}
}

// ids are the names in a list.
func ids(t *testing.T, g http.Handler, ctx context.Context) (out []string) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/models", nil).WithContext(ctx))
	var list struct{ Data []struct{ ID string } }
	if err := json.NewDecoder(w.Body).Decode(&list); err != nil || w.Code != http.StatusOK {
		t.Errorf("%d %v", w.Code, err)
	}
	for _, m := range list.Data {
		out = append(out, m.ID)
	}
	return out
}

// TestHungNodeDelaysAList by no more than its own time for a probe, and takes
// nothing of the others' out of it.
func TestHungNodeDelaysAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m1 := onShelf(t, "M1", 3*time.Second, func(ctx context.Context) (nodes.Snapshot, error) {
			<-ctx.Done()
			return nodes.Snapshot{}, ctx.Err()
		})
		m2 := onShelf(t, "M2", time.Second, onlyLoaded("a", "b"))
		m3 := onShelf(t, "M3", time.Second, func(context.Context) (nodes.Snapshot, error) { return nodes.Snapshot{}, io.ErrUnexpectedEOF })
		g, err := gateway.New(serving(m1, m2, m3), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if diff := cmp.Diff([]string{"auto", "a", "b"}, ids(t, g, t.Context())); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestListsAreRemembered for a moment; a list that broke off because its client
// went away is not.
func TestListsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := 0
		m1 := onShelf(t, "M1", 5*time.Second, func(ctx context.Context) (nodes.Snapshot, error) {
			mu.Lock()
			asked++
			mu.Unlock()
			select {
			case <-ctx.Done():
				return nodes.Snapshot{}, ctx.Err()
			case <-time.After(time.Second):
			}
			return onlyLoaded("a")(ctx)
		})
		g, err := gateway.New(serving(m1), gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		ids(t, g, ctx)
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("a client that went away was held for %s", took)
		}
		for i, step := range []struct {
			pause time.Duration
			asked int
		}{{0, 2}, {0, 2}, {1900 * time.Millisecond, 2}, {200 * time.Millisecond, 3}, {0, 3}} {
			time.Sleep(step.pause)
			if diff := cmp.Diff([]string{"auto", "a"}, ids(t, g, t.Context())); diff != "" {
				t.Errorf("step %d (-want +got):\n%s", i, diff)
			}
			if asked != step.asked {
				t.Errorf("step %d: asked %d times, want %d", i, asked, step.asked)
			}
		}
	})
}

// TestNobodyServes: a list of nothing is a list, and the roles are on it.
func TestNobodyServes(t *testing.T) {
	g, err := gateway.New(route.New(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v1/models":   `{"data":[{"created":0,"id":"auto","object":"model","owned_by":"jarvis"}],"object":"list"}`,
		"/api/ps":      `{"models":[]}`,
		"/api/version": `{"version":"0.17.4"}`,
	} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/chat", nil))
	if w.Code != http.StatusBadRequest {
		t.Errorf("no body: %d %s", w.Code, w.Body)
	}
}
