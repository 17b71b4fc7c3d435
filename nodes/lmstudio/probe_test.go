package lmstudio_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func onDisk() []nodes.File {
	return []nodes.File{
		{Name: good, Size: 4 << 30, Quantization: "Q4_K_M"},
		{Name: other, Size: 1 << 30, Quantization: "Q4_K_M"},
		{Name: thinker, Size: 1 << 30, Quantization: "Q4_K_M"},
	}
}

func standard() nodes.Settings {
	return nodes.Settings{
		"context_length": int64(4096), "eval_batch_size": int64(512), "parallel": int64(4),
		"flash_attention": true, "offload_kv_cache_to_gpu": true,
	}
}

func TestProbe(t *testing.T) {
	type settings = nodetest.LMStudioSettings
	one := []nodes.Instance{{ID: good, Model: good, Settings: standard()}}
	two := append(one, nodes.Instance{ID: good + ":2", Model: good, Settings: standard()})
	v0 := func() []nodes.File {
		list := onDisk()
		for i := range list {
			list[i].Size = 0
		}
		return list
	}()
	for name, test := range map[string]struct {
		options nodetest.Options
		change  func(*settings)
		add     []string
		want    nodes.Snapshot
	}{
		"one model loaded": {want: nodes.Snapshot{OnDisk: onDisk(), Loaded: one}},
		"nothing loaded": {
			options: nodetest.Options{Loaded: []string{}},
			want:    nodes.Snapshot{OnDisk: onDisk()},
		},
		"a second instance": {
			add:  []string{good},
			want: nodes.Snapshot{OnDisk: onDisk(), Loaded: two},
		},
		"a key in several entries": {
			add: []string{good}, change: func(s *settings) { s.DuplicateKeys = true },
			want: nodes.Snapshot{OnDisk: onDisk(), Loaded: two},
		},
		"instance_id for id": {
			change: func(s *settings) { s.InstanceIDField = true },
			want:   nodes.Snapshot{OnDisk: onDisk(), Loaded: one},
		},
		"fields absent and null": {
			change: func(s *settings) { s.SparseFields = true },
			want: nodes.Snapshot{
				OnDisk: []nodes.File{{Name: good, Size: 4 << 30}, {Name: other, Size: 1 << 30}, {Name: thinker, Size: 1 << 30}},
				Loaded: []nodes.Instance{{ID: good, Model: good, Settings: nodes.Settings{"context_length": int64(4096)}}},
			},
		},
		"an embedding model beside it": {
			add:  []string{index},
			want: nodes.Snapshot{OnDisk: onDisk(), Loaded: one},
		},
		"MLX, which sets its context itself": {
			change: func(s *settings) { s.MLX = []string{good} },
			want:   nodes.Snapshot{OnDisk: onDisk(), Loaded: []nodes.Instance{{ID: good, Model: good}}},
		},
		"instances that only v0 shows": {
			change: func(s *settings) { s.HideInstances = true },
			want: nodes.Snapshot{OnDisk: onDisk(), Loaded: []nodes.Instance{
				{ID: good, Model: good, Settings: nodes.Settings{"context_length": int64(4096)}},
			}},
		},
		"nothing loaded, and no v0": {
			options: nodetest.Options{Loaded: []string{}}, change: func(s *settings) { s.NoV0 = true },
			want: nodes.Snapshot{OnDisk: onDisk()},
		},
		"a server before 0.4": {
			options: nodetest.Options{Version: "0.3.30"},
			want: nodes.Snapshot{ReadOnly: true, OnDisk: v0, Loaded: []nodes.Instance{
				{ID: good, Model: good, Settings: nodes.Settings{"context_length": int64(4096)}},
			}},
		},
		"a server before 0.4 that says 404": {
			options: nodetest.Options{Version: "0.3.30"}, change: func(s *settings) { s.NotFound404 = true },
			want: nodes.Snapshot{ReadOnly: true, OnDisk: v0, Loaded: []nodes.Instance{
				{ID: good, Model: good, Settings: nodes.Settings{"context_length": int64(4096)}},
			}},
		},
		"a server before 0.4 with two instances": {
			options: nodetest.Options{Version: "0.3.30"}, add: []string{good},
			want: nodes.Snapshot{ReadOnly: true, OnDisk: v0, Loaded: []nodes.Instance{
				{ID: good, Model: good, Settings: nodes.Settings{"context_length": int64(4096)}},
				{ID: good + ":2", Model: good, Settings: nodes.Settings{"context_length": int64(4096)}},
			}},
		},
		"authentication": {
			options: nodetest.Options{Key: "sk-lm-1:2"},
			want:    nodes.Snapshot{OnDisk: onDisk(), Loaded: one},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*settings)
			if test.change != nil {
				change = append(change, test.change)
			}
			fake, b := start(t, test.options, change...)
			for _, name := range test.add {
				fake.AddInstance(name)
			}
			got, err := b.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(nodes.Snapshot{}, "Latency")); diff != "" {
				t.Errorf("snapshot (-want +got):\n%s", diff)
			}
			if got.OnDisk == nil || got.Latency <= 0 {
				t.Errorf("OnDisk %v, Latency %v: want both told", got.OnDisk, got.Latency)
			}
			for _, c := range fake.Calls() {
				if c.Method != http.MethodGet {
					t.Errorf("a probe sent %s %s", c.Method, c.Path)
				}
			}
		})
	}
}

func TestProbeTellsWhenAModelLeaves(t *testing.T) {
	fake, b := start(t, nodetest.Options{})
	fake.ExpireIn(time.Hour)
	before := time.Now()
	s, err := b.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := s.Loaded[0].Expires.Sub(before); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("leaves in %s, want an hour", left)
	}
}

// TestProbeTellsTheEngine answers as other servers do, and as a broken one.
func TestProbeTellsTheEngine(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   nodes.Fault
	}{
		"Ollama":                        {404, "404 page not found", nodes.WrongEngine},
		"llama.cpp":                     {404, `{"error":{"message":"File Not Found","type":"not_found_error","code":404}}`, nodes.WrongEngine},
		"vLLM":                          {404, `{"detail":"Not Found"}`, nodes.WrongEngine},
		"method not allowed":            {405, ``, nodes.WrongEngine},
		"an OpenAI list":                {200, `{"object":"list","data":[{"id":"m","object":"model"}]}`, nodes.WrongEngine},
		"Ollama's list behind any path": {200, `{"models":[{"name":"m:latest","model":"m:latest"}]}`, nodes.WrongEngine},
		"JSON of no kind":               {200, `{"ok":true}`, nodes.WrongEngine},
		"models that is no list":        {200, `{"models":{"a":1}}`, nodes.Protocol},
		"a page":                        {200, "<!doctype html>", nodes.Protocol},
		"nothing":                       {200, "", nodes.Protocol},
		"half a list":                   {200, `{"models":[{"key":"m"`, nodes.Protocol},
		"LM Studio below a path":        {200, `{"error":"Unexpected endpoint or method. (GET /v1/api/v1/models)"}`, nodes.Protocol},
		"another error in a 200":        {200, `{"error":"something"}`, nodes.Protocol},
		"a wrong key":                   {401, `{"error":{"type":"invalid_request","code":"invalid_api_key","message":"An LM Studio API token is required"}}`, nodes.Unauthorized},
		"no permission":                 {403, `{"error":"Unexpected endpoint or method."}`, nodes.Unauthorized},
		"loading":                       {503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, nodes.Busy},
		"a proxy without its server":    {502, "<html>Bad Gateway", nodes.ServerFailed},
	} {
		t.Run(name, func(t *testing.T) {
			var paths []string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				paths = append(paths, r.URL.Path)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer srv.Close()
			_, err := connect(t, srv.URL, "").Probe(t.Context())
			wantFault(t, err, test.want)
			if test.want == nodes.Unauthorized && len(paths) != 1 {
				t.Errorf("asked %v after the key was refused", paths)
			}
		})
	}
}

func TestProbeSaysWhatIsWrongWithTheAddress(t *testing.T) {
	fake, _ := start(t, nodetest.Options{})
	_, err := connect(t, fake.URL+"/v1", "").Probe(t.Context())
	if err == nil || !strings.Contains(err.Error(), "without a path") {
		t.Errorf("got %v, want a word about the path", err)
	}
}

func TestProbeFaults(t *testing.T) {
	for fault, want := range map[nodetest.Fault]nodes.Fault{
		nodetest.Down:            nodes.Refused,
		nodetest.Hang:            nodes.TimedOut,
		nodetest.Drip:            nodes.TimedOut,
		nodetest.Status500:       nodes.ServerFailed,
		nodetest.NotJSON:         nodes.Protocol,
		nodetest.CutOff:          nodes.CutOff,
		nodetest.Unauthorized:    nodes.Unauthorized,
		nodetest.TooManyRequests: nodes.Busy,
		nodetest.Huge:            nodes.Protocol,
		nodetest.RedirectLoop:    nodes.Protocol,
	} {
		t.Run(string(fault), func(t *testing.T) {
			fake, b := start(t, nodetest.Options{})
			fake.BreakWith(fault, nodetest.Detail{Delay: 7 * time.Second})
			n := node(t, b, good)
			if want == nodes.TimedOut {
				n.ProbeTimeout = 100 * time.Millisecond
			}
			_, err := n.Probe(t.Context())
			wantFault(t, err, want)
			if want == nodes.Busy && nodes.RetryAfter(err) != 7*time.Second {
				t.Errorf("retry after %s, want 7s", nodes.RetryAfter(err))
			}
			fake.Mend()
			if _, err := n.Probe(t.Context()); err != nil {
				t.Errorf("mended: %v", err)
			}
		})
	}
}
