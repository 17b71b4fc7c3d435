package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

const giB = int64(1) << 30

// full is a hub with what a search for chat models finds.
func full(t *testing.T) *fakeHub {
	t.Helper()
	f := newFake(t)
	f.models = []string{
		listing("Qwen/Qwen3-8B-GGUF", 900_000, 8_190_735_360, "text-generation", "false", "base_model:Qwen/Qwen3-8B", "base_model:quantized:Qwen/Qwen3-8B"),
		listing("bartowski/Qwen2.5-7B-Instruct-GGUF", 100_000, 7_615_616_512, "text-generation", "false", "base_model:quantized:Qwen/Qwen2.5-7B-Instruct"),
		listing("city96/FLUX.1-dev-gguf", 105_353, 12_000_000_000, "text-to-image", "false"),
		listing("lmstudio-community/Llama-3.3-70B-Instruct-GGUF", 50_000, 70_553_706_496, "text-generation", "false"),
		listing("google/gemma-3-12b-it-qat-q4_0-gguf", 60_000, 11_765_788_416, "image-text-to-text", `"manual"`),
		listing("nomic-ai/nomic-embed-text-v1-GGUF", 3_886, 136_000_000, "sentence-similarity", "false"),
		listing("MaziyarPanahi/Phi-4-GGUF", 20_000, 14_659_507_200, "", "false", "base_model:microsoft/phi-4"),
		listing("../../etc", 5, 1, "", "false"),
		listing("gone/Model-GGUF", 4, 7_000_000_000, "text-generation", "false"),
	}
	f.trees = map[string]string{
		"Qwen/Qwen3-8B-GGUF": tree("Qwen3-8B-Q4_K_M.gguf", 5_027_783_488, "Qwen3-8B-Q5_K_M.gguf", 5_851_112_224, "Qwen3-8B-Q6_K.gguf", 6_725_899_040, "Qwen3-8B-Q8_0.gguf", 8_709_518_112),
		"bartowski/Qwen2.5-7B-Instruct-GGUF": tree("Qwen2.5-7B-Instruct-IQ2_M.gguf", 2_780_344_832, "Qwen2.5-7B-Instruct-Q4_K_M.gguf", 4_683_074_240,
			"Qwen2.5-7B-Instruct-Q6_K_L.gguf", 6_520_000_000, "Qwen2.5-7B-Instruct-Q8_0.gguf", 8_098_525_888, "Qwen2.5-7B-Instruct-f16.gguf", 15_237_853_184, "Qwen2.5-7B-Instruct.imatrix.gguf", 4_536_000),
		"lmstudio-community/Llama-3.3-70B-Instruct-GGUF": tree("Llama-3.3-70B-Instruct-Q4_K_M.gguf", 42_520_395_584, "Llama-3.3-70B-Instruct-Q3_K_L.gguf", 37_140_594_496,
			"Llama-3.3-70B-Instruct-Q8_0-00001-of-00002.gguf", 39_000_000_000, "Llama-3.3-70B-Instruct-Q8_0-00002-of-00002.gguf", 35_975_048_128),
		"google/gemma-3-12b-it-qat-q4_0-gguf": tree("gemma-3-12b-it-q4_0.gguf", 8_074_473_152),
		"MaziyarPanahi/Phi-4-GGUF":            tree("phi-4.Q3_K_M.gguf", 7_363_000_000, "phi-4.Q2_K.gguf", 5_547_000_000, "phi-4.Q5_K_M.gguf", 10_604_000_000),
	}
	for i := range 4574 {
		f.board = append(f.board, row(fmt.Sprintf("lab/model-%d", i), 10+float64(i%40), false))
	}
	f.board = append(f.board,
		row("Qwen/Qwen2.5-7B-Instruct", 35.2, false), row("Qwen/Qwen2.5-7B-Instruct", 34.9, false), row("microsoft/phi-4", 41.1, false),
		row("meta-llama/Llama-3.3-70B-Instruct", 44.8, false), row("cheat/Llama-3.3-70B-Instruct", 99, true))
	return f
}

// line is a model as a table shows it.
func line(m Model) string {
	score := "-"
	if m.Scored {
		score = fmt.Sprintf("%.1f of %s", m.Score, m.ScoreOf)
	}
	gated := ""
	if m.Gated != "" {
		gated = " gated:" + m.Gated
	}
	return fmt.Sprintf("%s %s %d part(s) %.1f GiB needs %.1f %s%s", m.Repository, m.File.Quantization, len(m.File.Paths), float64(m.File.Size)/float64(giB), float64(m.Needs)/float64(giB), score, gated)
}

func lines(r Result) []string {
	var list []string
	for _, m := range r.Models {
		list = append(list, line(m))
	}
	return list
}

func TestDiscover(t *testing.T) {
	tests := []struct {
		name     string
		query    Query
		want     []string
		rejected map[string]string
		notes    string
	}{
		{
			name: "12 GiB", query: Query{Memory: 12 * giB},
			want: []string{
				"MaziyarPanahi/Phi-4-GGUF Q5_K_M 1 part(s) 9.9 GiB needs 11.7 41.1 of microsoft/phi-4",
				"bartowski/Qwen2.5-7B-Instruct-GGUF Q8_0 1 part(s) 7.5 GiB needs 9.0 35.2 of Qwen/Qwen2.5-7B-Instruct",
				"Qwen/Qwen3-8B-GGUF Q8_0 1 part(s) 8.1 GiB needs 9.6 -",
				"google/gemma-3-12b-it-qat-q4_0-gguf Q4_0 1 part(s) 7.5 GiB needs 9.2 - gated:manual",
			},
			rejected: map[string]string{
				"city96/FLUX.1-dev-gguf":                         "made for text-to-image",
				"nomic-ai/nomic-embed-text-v1-GGUF":              "made for sentence-similarity",
				"lmstudio-community/Llama-3.3-70B-Instruct-GGUF": "needs 38.1 GiB, there are 12.0 GiB",
				"gone/Model-GGUF":                                "its files can't be listed: hub: files of gone/Model-GGUF: not found (status 404): Repository not found; check the name; a private one needs HF_TOKEN",
			},
			notes: "2 of 4 models are in the Open LLM Leaderboard",
		},
		{
			name: "8 GiB, by downloads", query: Query{Memory: 8 * giB, Order: ByDownloads},
			want: []string{
				"Qwen/Qwen3-8B-GGUF Q6_K 1 part(s) 6.3 GiB needs 7.8 -",
				"bartowski/Qwen2.5-7B-Instruct-GGUF Q6_K_L 1 part(s) 6.1 GiB needs 7.5 -",
			},
		},
		{
			name: "all the memory in the world", query: Query{},
			want: []string{
				"lmstudio-community/Llama-3.3-70B-Instruct-GGUF Q8_0 2 part(s) 69.8 GiB needs 73.3 44.8 of meta-llama/Llama-3.3-70B-Instruct",
				"MaziyarPanahi/Phi-4-GGUF Q5_K_M 1 part(s) 9.9 GiB needs 11.7 41.1 of microsoft/phi-4",
				"bartowski/Qwen2.5-7B-Instruct-GGUF Q8_0 1 part(s) 7.5 GiB needs 9.0 35.2 of Qwen/Qwen2.5-7B-Instruct",
				"Qwen/Qwen3-8B-GGUF Q8_0 1 part(s) 8.1 GiB needs 9.6 -",
				"google/gemma-3-12b-it-qat-q4_0-gguf Q4_0 1 part(s) 7.5 GiB needs 9.2 - gated:manual",
			},
		},
		{
			name: "Ollama takes no split files", query: Query{Engine: "ollama", Search: "llama", Limit: 4, Order: ByDownloads},
			want: []string{
				"Qwen/Qwen3-8B-GGUF Q8_0 1 part(s) 8.1 GiB needs 9.6 -",
				"bartowski/Qwen2.5-7B-Instruct-GGUF Q8_0 1 part(s) 7.5 GiB needs 9.0 -",
				"lmstudio-community/Llama-3.3-70B-Instruct-GGUF Q4_K_M 1 part(s) 39.6 GiB needs 43.1 -",
			},
		},
		{
			name: "a longer context takes more", query: Query{Memory: 12 * giB, Context: 32768, Order: ByDownloads, Limit: 2},
			want: []string{
				"Qwen/Qwen3-8B-GGUF Q6_K 1 part(s) 6.3 GiB needs 10.8 -",
				"bartowski/Qwen2.5-7B-Instruct-GGUF Q8_0 1 part(s) 7.5 GiB needs 11.9 -",
			},
		},
		{
			name: "a longer context than the model's", query: Query{Context: 65536, Limit: 1},
			rejected: map[string]string{"Qwen/Qwen3-8B-GGUF": "made for a context of 40960 tokens, 65536 are wanted"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := full(t)
			got, err := f.client(t).Discover(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, lines(got)); diff != "" {
				t.Errorf("models (-want +got):\n%s", diff)
			}
			if test.rejected != nil {
				rejected := map[string]string{}
				for _, r := range got.Rejected {
					rejected[r.Repository] = r.Reason
				}
				if diff := cmp.Diff(test.rejected, rejected); diff != "" {
					t.Errorf("rejected (-want +got):\n%s", diff)
				}
			}
			if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, test.notes) {
				t.Errorf("notes %q, want %q", notes, test.notes)
			}
			for _, r := range f.requests() {
				if strings.Contains(r.URL.Path, "..") {
					t.Errorf("asked for %s", r.URL.Path)
				}
			}
		})
	}
}

func TestRequestsCarryWhatTheyShould(t *testing.T) {
	f := full(t)
	if _, err := f.client(t).Discover(t.Context(), Query{Search: "qwen 8b & co", Limit: 5}); err != nil {
		t.Fatal(err)
	}
	lists := 0
	for _, r := range f.requests() {
		token := r.Header.Get("Authorization")
		board := strings.HasPrefix(r.URL.Path, "/board/")
		if board && token != "" || !board && token != "Bearer hf_secret" {
			t.Errorf("%s: token %q", r.URL.Path, token)
		}
		if r.URL.Path == "/api/models" {
			lists++
			q := r.URL.Query()
			got := []string{q.Get("filter"), q.Get("sort"), q.Get("search"), strings.Join(q["expand[]"], " ")}
			want := []string{"gguf", "downloads", "qwen 8b & co", "downloads likes gated private tags pipeline_tag lastModified gguf"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("list (-want +got):\n%s", diff)
			}
		}
	}
	if lists != 2 {
		t.Errorf("%d pages were read for 5 models of 3 a page, want 2", lists)
	}
}

func TestBenchmarkThatCannotBeHad(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"an error": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"error":"The server is busier than usual and some resources are not yet available."}`)
		},
		"a page":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<!doctype html><title>Sign in</title>") },
		"no rows": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"rows":[],"num_rows_total":0}`) },
		"other columns": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"rows":[{"row":{"name":"a/b","score":"high"}}],"num_rows_total":1}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := full(t)
			f.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if board := strings.HasPrefix(r.URL.Path, "/board/"); board {
					answer(w)
					return true
				}
				return false
			}
			got, err := f.client(t).Discover(t.Context(), Query{Memory: 12 * giB})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Models) != 4 || got.Benchmark != "" || got.Models[0].Repository != "Qwen/Qwen3-8B-GGUF" {
				t.Errorf("models %q by %q", lines(got), got.Benchmark)
			}
			if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, "could not be had") || !strings.Contains(notes, "ranked by downloads alone") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	answer := func(status int, header map[string]string, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for k, v := range header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name   string
		answer func(http.ResponseWriter)
		kind   error
		says   string
	}{
		{"too many requests", answer(429, map[string]string{"RateLimit": `"api";r=0;t=55`}, `{"error":"We had to rate limit you"}`), ErrBusy, "We had to rate limit you"},
		{"a server error", answer(500, nil, `{"error":"Internal Error - We're working hard to fix this as soon as possible!"}`), ErrUnavailable, "status 500"},
		{"a page", answer(200, nil, "<!DOCTYPE html>\n<html><body>Proxy says no</body></html>"), ErrProtocol, "Proxy says no"},
		{"another shape", answer(200, nil, `{"models":[]}`), ErrProtocol, "no proxy answers"},
		{"huge", func(w http.ResponseWriter) {
			block := strings.Repeat(" ", 1<<20)
			for range 18 {
				_, _ = io.WriteString(w, block)
			}
		}, ErrProtocol, "larger than 16 MiB"},
		{"a wrong token", answer(401, nil, `{"error":"Invalid username or password."}`), ErrUnauthorized, "check HF_TOKEN"},
		{"gated", answer(403, map[string]string{"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model google/gemma is restricted"}, ""), ErrGated, "accept its terms"},
		{"gone", answer(404, map[string]string{"X-Error-Code": "RepoNotFound"}, `{"error":"Repository not found"}`), ErrNotFound, "check the name"},
		{"a bad request", answer(400, nil, `{"error":["expand must be one of …"]}`), ErrProtocol, "status 400"},
		{"cut", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, `[{"id":"Qwen/`)
			panic(http.ErrAbortHandler)
		}, ErrUnavailable, "check the network"},
		{"hung up", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, ErrUnavailable, "check the network"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = func(w http.ResponseWriter, _ *http.Request) bool { test.answer(w); return true }
			c := f.client(t)
			_, list := c.Discover(t.Context(), Query{})
			_, one := c.Resolve(t.Context(), "google/gemma", Query{})
			_, files := c.Files(t.Context(), "google/gemma")
			for what, err := range map[string]error{"list": list, "one": one, "files": files} {
				if what == "one" && test.name == "another shape" {
					what, err = "files", files // an object is what it sends
				}
				var failed *Error
				if !errors.Is(err, test.kind) || !errors.As(err, &failed) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %v, want %v that says %q", what, err, test.kind, test.says)
				}
				if err != nil && (strings.Contains(err.Error(), "hf_secret") || len(err.Error()) > 700) {
					t.Errorf("%s: an error with the token in it, or too long: %v", what, err)
				}
			}
		})
	}
}

func TestPrivateModelWithoutToken(t *testing.T) {
	f := newFake(t)
	f.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"Invalid username or password."}`)
		return true
	}
	c, err := New(Options{URL: f.URL, TokenName: "HF_TOKEN", Patience: NoRetry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Resolve(t.Context(), "me/mine", Query{}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "a private one needs HF_TOKEN") {
		t.Errorf("error %v", err)
	}
}

// roundTrip is a transport without a network, so that time can be virtual.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func TestRepeats(t *testing.T) {
	busy := func(header, value string) *http.Response {
		return respond(429, http.Header{http.CanonicalHeaderKey(header): {value}}, "")
	}
	ok := respond
	tests := []struct {
		name    string
		answers []func() (*http.Response, error)
		// after is when the last request was made, at most.
		least, most time.Duration
		kind        error
	}{
		{"busy, with a time", []func() (*http.Response, error){
			func() (*http.Response, error) { return busy("Retry-After", "7"), nil },
			func() (*http.Response, error) { return ok(200, nil, "[]"), nil },
		}, 7 * time.Second, 7 * time.Second, nil},
		{"busy, in the hub's way", []func() (*http.Response, error){
			func() (*http.Response, error) { return busy("RateLimit", `"api";r=0;t=55`), nil },
			func() (*http.Response, error) { return ok(200, nil, "[]"), nil },
		}, 55 * time.Second, 55 * time.Second, nil},
		{"failing twice", []func() (*http.Response, error){
			func() (*http.Response, error) { return ok(502, nil, "<html>Bad Gateway</html>"), nil },
			func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
			func() (*http.Response, error) { return ok(200, nil, "[]"), nil },
		}, time.Second, 6 * time.Second, nil},
		{"busy for longer than the patience", []func() (*http.Response, error){
			func() (*http.Response, error) { return busy("Retry-After", "300"), nil },
		}, 0, 0, ErrBusy},
		{"a token that is wrong is not tried again", []func() (*http.Response, error){
			func() (*http.Response, error) { return ok(403, nil, ""), nil },
		}, 0, 0, ErrUnauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, made, last := time.Now(), 0, time.Duration(0)
				c, err := New(Options{Token: nodes.NewSecret("x"), Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					last = time.Since(begun)
					made++
					return test.answers[min(made, len(test.answers))-1]()
				})})
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Files(t.Context(), "a/b")
				if !errors.Is(err, test.kind) {
					t.Errorf("error %v, want %v", err, test.kind)
				}
				if made != len(test.answers) || last < test.least || last > test.most {
					t.Errorf("%d requests, the last after %v; want %d, after %v to %v", made, last, len(test.answers), test.least, test.most)
				}
			})
		})
	}
}

func TestAServerThatAlwaysFailsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, made := time.Now(), 0
		c, err := New(Options{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			made++
			return respond(500, nil, ""), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Files(t.Context(), "a/b"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took > DefaultPatience || made < 5 {
			t.Errorf("%d requests in %v", made, took)
		}
	})
}

func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := New(Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			cancel()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Discover(ctx, Query{}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAListThatRepeatsItselfEnds(t *testing.T) {
	f := newFake(t)
	f.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/models" {
			return false
		}
		w.Header().Set("Link", `</api/models?cursor=x>; rel="next"`)
		_, _ = io.WriteString(w, "["+listing("a/b-GGUF", 1, 1, "", "false")+"]")
		return true
	}
	f.trees["a/b-GGUF"] = tree("b-Q4_K_M.gguf", 1_000_000)
	got, err := f.client(t).Discover(t.Context(), Query{Order: ByDownloads})
	if err != nil || len(got.Models) != 1 || len(f.requests()) != 3 {
		t.Errorf("%d models in %d requests, error %v", len(got.Models), len(f.requests()), err)
	}
}

func TestResolve(t *testing.T) {
	f := full(t)
	c := f.client(t)
	for _, test := range []struct {
		name, repository string
		query            Query
		want             string
		err              error
	}{
		{"the best that fits", "Qwen/Qwen3-8B-GGUF", Query{Memory: 8 * giB}, "Qwen/Qwen3-8B-GGUF Q6_K 1 part(s) 6.3 GiB needs 7.8 -", nil},
		{"the one that was named", "bartowski/Qwen2.5-7B-Instruct-GGUF", Query{Quantization: "IQ2_M"}, "bartowski/Qwen2.5-7B-Instruct-GGUF IQ2_M 1 part(s) 2.6 GiB needs 4.1 -", nil},
		{"one that isn't there", "Qwen/Qwen3-8B-GGUF", Query{Quantization: "Q2_K"}, "", ErrNoFile},
		{"nothing fits", "Qwen/Qwen3-8B-GGUF", Query{Memory: giB}, "", ErrNoFile},
		{"nothing there", "lab/nothing", Query{}, "", ErrNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := c.Resolve(t.Context(), test.repository, test.query)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err == nil && line(m) != test.want {
				t.Errorf("got  %s\nwant %s", line(m), test.want)
			}
		})
	}
	if _, err := c.Resolve(t.Context(), "../secret", Query{}); err == nil {
		t.Error("a name that is no repository was asked for")
	}
}

func TestAddresses(t *testing.T) {
	for _, url := range []string{"huggingface.co", "ftp://x", "http://", "://"} {
		if _, err := New(Options{URL: url}); err == nil {
			t.Errorf("%q is taken for an address", url)
		}
	}
}

// TestTheTokenIsNotRepeated: some servers repeat what they were sent, in a
// header, in JSON, in a page, or where an answer was meant to be.
func TestTheTokenIsNotRepeated(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, sent string){
		"a header": func(w http.ResponseWriter, sent string) {
			w.Header().Set("X-Error-Message", "no: "+sent)
			w.WriteHeader(http.StatusForbidden)
		},
		"an error": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"error":%q}`, sent)
		},
		"a page": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "<pre>%s</pre>", sent)
		},
		"cut off": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, strings.Repeat("x", maxDetail-len(sent)+4), sent)
		},
		"no JSON": func(w http.ResponseWriter, sent string) { _, _ = fmt.Fprintf(w, "<pre>%s</pre>", sent) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.answer = func(w http.ResponseWriter, r *http.Request) bool {
				answer(w, r.Header.Get("Authorization"))
				return true
			}
			_, err := f.client(t).Resolve(t.Context(), "lab/model", Query{})
			if err == nil || strings.Contains(err.Error(), "hf_") {
				t.Errorf("the error is %v; want one without the token", err)
			}
		})
	}
}
