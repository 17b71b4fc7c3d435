package ollama

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

func TestConvert(t *testing.T) {
	for _, test := range []struct {
		in   any
		want any
		ok   bool
	}{
		{5, int64(5), true},
		{-1, int64(-1), true},
		{uint8(5), int64(5), true},
		{5.0, int64(5), true},
		{float32(5), int64(5), true},
		{json.Number("5"), int64(5), true},
		{5.5, nil, false},
		{math.NaN(), nil, false},
		{math.Inf(1), nil, false},
		{1e300, nil, false},
		{uint64(math.MaxUint64), nil, false},
		{json.Number("5.5"), nil, false},
		{"5", nil, false},
		{true, nil, false},
		{nil, nil, false},
	} {
		got, ok := convert(wholeNumber, test.in)
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%T %v: got %v, %v", test.in, test.in, got, ok)
		}
	}
}

func TestReadTraits(t *testing.T) {
	for _, test := range []struct {
		name       string
		info       map[string]any
		parameters string
		want       traits
	}{
		{"both", map[string]any{"general.architecture": "llama", "llama.context_length": 8192.0}, "stop    \"x\"\nnum_ctx     2048\nnum_thread 1", traits{8192, 2048}},
		{"neither", nil, "", traits{}},
		{"garbage", map[string]any{"general.architecture": 5, ".context_length": "long"}, "num_ctx many\nnum_ctx", traits{}},
	} {
		if diff := cmp.Diff(test.want, readTraits(test.info, test.parameters), cmp.AllowUnexported(traits{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestAtLeast(t *testing.T) {
	for version, want := range map[string]bool{
		"0.29.9": false, "0.30.0": true, "0.30.0-rc1": true, "v0.31": true, "1.0.0": true, "0.17.4": false,
		"": false, "0": false, "0.x": false, "dev": false,
	} {
		if got := atLeast(version, 0, 30); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

func TestRemaining(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, test := range []struct {
		expires time.Time
		want    string
	}{
		{now.Add(10 * time.Minute), `"10m0s"`},
		{now.AddDate(292, 0, 0), `-1`},
		{time.Time{}, `-1`},
		{now.Add(time.Millisecond), `"1s"`}, // 0 would unload it
		{now.Add(-time.Minute), `null`},
	} {
		got, err := json.Marshal(remaining(test.expires, now))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, want %s, %v", test.expires, got, test.want, err)
		}
	}
}

// FuzzAnswers lets a server say anything at all, to every request.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"version":"0.17.4"}`,
		`{"models":[{"name":"good:latest","digest":"d","expires_at":"2026-01-01T00:00:00Z","context_length":5}],"version":"1.0"}`,
		`{"models":[{}],"version":"0.30"}`,
		`{"models":null}`,
		`{"model":"good","message":{"content":"OK"},"done":true,"done_reason":"stop","eval_count":2}`,
		`{"message":{"content":"OK"}}` + "\n" + `{"error":"an error was encountered while running the model: EOF"}`,
		`{"error":{"message":"x"}}`, `{"error":5}`, `[]`, `null`, `"x"`, "", "\x00", "<html>", `{"done":true,"done_reason":"load"}`,
		`{"version":"0.1","models":[{"name":"good","context_length":-9223372036854775808,"size":-1}]}`,
	} {
		f.Add(200, []byte(seed))
		f.Add(500, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		b, err := New(nodes.Connection{Node: "OL1", URL: "http://server", Transport: answers{status, body}})
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		_, errs := b.Probe(ctx)
		check(t, errs)
		for _, only := range []bool{true, false} {
			_, err := b.Chat(ctx, nodes.ChatRequest{Model: "good", OnlyLoaded: only, Stream: only})
			check(t, err)
		}
		_, err = b.Load(ctx, nodes.Model{Name: "good", Settings: nodes.Settings{"num_ctx": 9999}})
		check(t, err)
		check(t, b.Unload(ctx, "good"))
		check(t, b.Download(ctx, "good", nil))
	})
}

// check wants every error to wrap a fault.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil && nodes.FaultOf(err) == "" {
		t.Errorf("without a fault: %v", err)
	}
}

// answers is a transport that gives one answer to all.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	return w.Result(), nil
}

// FuzzClassify reads any error's text.
func FuzzClassify(f *testing.F) {
	f.Add(500, `{"error":"llama runner process has terminated: exit status 2"}`)
	f.Add(404, `{"error":"model 'x' not found"}`)
	f.Add(200, `{"error":"Unexpected endpoint or method. (GET /api/ps)"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if e := classify(status, nil, []byte(body)); e != nil && e.Fault == "" {
			t.Errorf("an error without a fault: %v", e)
		}
		_ = canonical(body)
		_ = readTraits(map[string]any{"general.architecture": body, body + ".context_length": body}, body)
	})
}
