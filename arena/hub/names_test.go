package hub

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantization(t *testing.T) {
	for name, want := range map[string]string{
		"Qwen3-8B-Q4_K_M.gguf":                              "Q4_K_M",
		"qwen2.5-7b-instruct-q5_k_m-00001-of-00002.gguf":    "Q5_K_M",
		"Llama-3.2-1B-Instruct-IQ4_XS.gguf":                 "IQ4_XS",
		"phi-4.Q3_K_S.gguf":                                 "Q3_K_S",
		"gemma-3-27b-it-UD-Q4_K_XL.gguf":                    "UD-Q4_K_XL",
		"UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-00001-of-00003.gguf": "UD-IQ1_S",
		"gpt-oss-20b-MXFP4.gguf":                            "MXFP4",
		"gpt-oss-120b-mxfp4-00001-of-00003.gguf":            "MXFP4",
		"Model-BF16.gguf":                                   "BF16",
		"model-fp16.gguf":                                   "F16",
		"ggml-model-f16.gguf":                               "F16",
		"Q8_0.gguf":                                         "Q8_0",
		"Q6_K/model-00001-of-00002.gguf":                    "Q6_K",
		"model-Q4_0_4_8.gguf":                               "Q4_0_4_8",
		"Bitnet-TQ2_0.gguf":                                 "TQ2_0",
		"Model-Q4_K_M-imat.gguf":                            "Q4_K_M",
		"QwQ-32B-Q4_K_M.gguf":                               "Q4_K_M",
		"Llama-2-7B-Chat-Q4-Q8_0.gguf":                      "Q8_0",
		"qwen3-8b.gguf":                                     "",
		"README.md":                                         "",
		"":                                                  "",
		"IQ.gguf":                                           "",
	} {
		if got := Quantization(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestOrderOfQuantizations(t *testing.T) {
	want := []string{"Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_X", "UD-Q4_K_XL", "Q4_K_M", "IQ4_XS", "Q4_0", "Q4_0_4_8", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ1_S", "BF16", "F32"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortStableFunc(got, func(a, b string) int { return rank(a) - rank(b) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestGroup(t *testing.T) {
	var entries []treeEntry
	if err := json.Unmarshal([]byte(tree(
		"M-Q4_K_M.gguf", 400, "Q8_0/M-Q8_0-00002-of-00002.gguf", 300, "Q8_0/M-Q8_0-00001-of-00002.gguf", 500,
		"M-Q6_K-00001-of-00003.gguf", 200, "M-Q6_K-00003-of-00003.gguf", 200, // the second is missing
		"M-Q5_K_M.GGUF", 450, "imatrix_unsloth.gguf", 5, "M-Q3_K_M.gguf", 0, "M-Q2_K-00000-of-00000.gguf", 9,
	)), &entries); err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Quantization: "Q8_0", Paths: []string{"Q8_0/M-Q8_0-00001-of-00002.gguf", "Q8_0/M-Q8_0-00002-of-00002.gguf"}, Size: 800},
		{Quantization: "Q5_K_M", Paths: []string{"M-Q5_K_M.GGUF"}, Size: 450},
		{Quantization: "Q4_K_M", Paths: []string{"M-Q4_K_M.gguf"}, Size: 400},
	}
	if diff := cmp.Diff(want, group(entries)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// The cache of keys and values of models whose shape is published, in 16 bits,
// with 8,192 tokens: the estimate is not below, and not more than twice.
func TestContextEstimate(t *testing.T) {
	for _, m := range []struct {
		name                   string
		weights                int64
		layers, heads, headDim int64
	}{
		{"Llama 3.1 8B", 8_030_261_312, 32, 8, 128},
		{"Llama 3.3 70B", 70_553_706_496, 80, 8, 128},
		{"Qwen2.5 32B", 32_763_876_352, 64, 8, 128},
		{"Qwen2.5 7B", 7_615_616_512, 28, 4, 128},
		{"Llama 3.2 1B", 1_235_814_432, 16, 8, 64},
		{"Qwen3 30B A3B", 30_532_122_624, 48, 4, 128},
		{"Mistral Small 24B", 23_572_403_200, 40, 8, 128},
	} {
		truth := float64(2 * 2 * m.layers * m.heads * m.headDim * 8192)
		got := float64(Needs(File{}, m.weights, 8192) - buffers)
		if got < 0.95*truth || got > 2.7*truth {
			t.Errorf("%s: %.2f GiB are estimated for the context, it takes %.2f", m.name, got/(1<<30), truth/(1<<30))
		}
	}
}

func TestNeedsOfOddSizes(t *testing.T) {
	for _, f := range []File{{Size: math.MaxInt64}, {Size: -1}, {Size: 0}} {
		if n := Needs(f, math.MaxInt64, math.MaxInt32); n <= 0 {
			t.Errorf("%+v needs %d", f, n)
		}
	}
}

func TestParseReference(t *testing.T) {
	for _, test := range []struct {
		engine, text             string
		repository, quantization string
		bad                      bool
	}{
		{"ollama", "hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M", "Qwen/Qwen3-8B-GGUF", "Q4_K_M", false},
		{"ollama", "https://huggingface.co/Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B-GGUF", "", false},
		{"lmstudio", "https://huggingface.co/Qwen/Qwen3-8B-GGUF@q6_k", "Qwen/Qwen3-8B-GGUF", "Q6_K", false},
		{"lmstudio", "https://huggingface.co/a/b/blob/main/M-Q5_K_M.gguf", "a/b", "Q5_K_M", false},
		{"ollama", "https://huggingface.co/a/b/tree/main?x=1#y", "a/b", "", false},
		{"ollama", "bartowski/M-GGUF", "bartowski/M-GGUF", "", false},
		{"ollama", "unsloth/gemma:UD-Q4_K_XL", "unsloth/gemma", "UD-Q4_K_XL", false},
		{"llamacpp", "ggml-org/gemma-3-4b-it", "ggml-org/gemma-3-4b-it", "", false},
		{"ollama", "llama3.2:3b", "", "", false},
		{"ollama", "someone/mymodel:latest", "", "", false},
		{"lmstudio", "qwen/qwen3-8b", "", "", false},
		{"ollama", "hf.co/a/b:latest", "", "", true},
		{"ollama", "hf.co/../b", "", "", true},
		{"ollama", "hf.co/a", "", "", true},
		{"ollama", "https://example.com/a/b", "", "", true},
		{"ollama", "file:///etc/passwd", "", "", true},
		{"ollama", " ", "", "", true},
	} {
		t.Run(test.engine+" "+test.text, func(t *testing.T) {
			got, err := ParseReference(test.engine, test.text)
			if (err != nil) != test.bad {
				t.Fatalf("error %v", err)
			}
			if err == nil && (got.Repository != test.repository || got.Quantization != test.quantization || got.Name != test.text) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestEngineNames(t *testing.T) {
	one := File{Quantization: "Q4_K_M", Paths: []string{"M-Q4_K_M.gguf"}}
	two := File{Quantization: "Q8_0", Paths: []string{"a", "b"}}
	for _, test := range []struct {
		engine string
		file   File
		want   string
	}{
		{"ollama", one, "hf.co/lab/M-GGUF:Q4_K_M"},
		{"ollama", two, ""},
		{"lmstudio", one, "https://huggingface.co/lab/M-GGUF@Q4_K_M"},
		{"lmstudio", two, "https://huggingface.co/lab/M-GGUF@Q8_0"},
		{"llamacpp", two, "lab/M-GGUF:Q8_0"},
		{"llamacpp", File{Paths: []string{"m.gguf"}}, "lab/M-GGUF"},
		{"openai", one, ""},
	} {
		got, err := EngineName(test.engine, "lab/M-GGUF", test.file)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q, %v; want %q", test.engine, got, err, test.want)
		}
	}
	if name, err := EngineName("ollama", "a/../b", one); err == nil {
		t.Errorf("a repository that is none: %q", name)
	}
}

func TestNextPage(t *testing.T) {
	for link, want := range map[string]string{
		`<https://huggingface.co/api/models?limit=1&cursor=eyJ>; rel="next"`:          "cursor=eyJ&limit=1",
		`<https://x/p?a=1>; rel="prev", <https://evil.example/steal?b=2>; rel="next"`: "b=2",
		`<https://x/p>; rel="next"`:   "",
		`https://x/p?a=1; rel="next"`: "",
		`<%zz?a=1>; rel="next"`:       "",
		``:                            "",
	} {
		if got := nextPage(http.Header{"Link": {link}}).Encode(); got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "30", 30 * time.Second},
		{"Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		{"Retry-After", "Fri, 02 Jan 2026 03:00:00 GMT", 0},
		{"Retry-After", "-5", 0},
		{"Retry-After", "99999999999999999999", 0},
		{"Retry-After", "86400", 10 * time.Minute},
		{"Ratelimit", `"api";r=0;t=55`, 55 * time.Second},
		{"Ratelimit", `"api"; r=0; t=soon`, 0},
	} {
		if got := retryAfter(http.Header{test.name: {test.value}}, now); got != test.want {
			t.Errorf("%s: %s: %v, want %v", test.name, test.value, got, test.want)
		}
	}
}

func FuzzTree(f *testing.F) {
	f.Add(tree("M-Q4_K_M.gguf", 400, "M-Q8_0-00001-of-00002.gguf", 1, "M-Q8_0-00002-of-00002.gguf", 2))
	f.Add(`[{"type":"file","path":"-00001-of-99999.gguf","size":-1}]`)
	f.Add(`[{"type":"file","path":".gguf","size":9e18,"lfs":null},{"type":"file","path":"İ.gguf","size":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		var entries []treeEntry
		if json.Unmarshal([]byte(text), &entries) != nil {
			return
		}
		for _, file := range group(entries) {
			if len(file.Paths) == 0 || len(file.Paths) > len(entries) {
				t.Errorf("%+v of %d entries", file, len(entries))
			}
			if Needs(file, 0, 0) < 0 {
				t.Errorf("%+v needs less than nothing", file)
			}
		}
	})
}

func FuzzListAndBoard(f *testing.F) {
	f.Add(listing("Qwen/Qwen3-8B-GGUF", 9, 8, "text-generation", `"auto"`, "base_model:Qwen/Qwen3-8B"), row("Qwen/Qwen3-8B", 30, false))
	f.Add(`{"gated":{"a":1},"tags":["base_model:"],"downloads":-1}`, `{"fullname":7,"Average":"x","Flagged":null}`)
	f.Fuzz(func(t *testing.T, one, line string) {
		var l listed
		if json.Unmarshal([]byte(one), &l) == nil && l.name() == nil {
			if m, reason := choose(l, []File{{Quantization: "Q4_K_M", Paths: []string{"m"}, Size: 1}}, Query{}); reason == "" && m.Needs <= 0 {
				t.Errorf("%+v", m)
			}
		}
		b := Board{full: map[string]entry{}, bare: map[string]entry{}}
		var page boardRows
		if json.Unmarshal([]byte(`{"rows":[{"row":`+line+`}],"num_rows_total":1}`), &page) == nil {
			b.add(page)
			for name, e := range b.full {
				if e.score <= 0 || e.score > 100 || strings.ToLower(e.name) != name {
					t.Errorf("%q: %+v", name, e)
				}
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("ollama", "hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M")
	f.Add("lmstudio", "https://huggingface.co/a/b/blob/main/x-Q8_0.gguf")
	f.Add("llamacpp", "a/b@FP16")
	f.Fuzz(func(t *testing.T, engine, text string) {
		r, err := ParseReference(engine, text)
		if err != nil || r.Repository == "" {
			return
		}
		if checkRepository(r.Repository) != nil {
			t.Errorf("%q is taken for the repository %q", text, r.Repository)
		}
		// A name that was made is read back as what it was made of.
		for _, e := range []string{"ollama", "lmstudio", "llamacpp"} {
			name, err := EngineName(e, r.Repository, File{Quantization: r.Quantization, Paths: []string{"m"}})
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseReference(e, name)
			if err != nil || back.Repository != r.Repository || back.Quantization != r.Quantization {
				t.Errorf("%s: %q is read back as %+v, %v", e, name, back, err)
			}
		}
	})
}
