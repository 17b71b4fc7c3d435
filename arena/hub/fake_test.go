package hub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/turbone/jarvis/nodes"
)

// fakeHub answers as huggingface.co and its data sets' server do, as far as
// this package asks.
type fakeHub struct {
	*httptest.Server
	models []string // the list's elements, as JSON
	trees  map[string]string
	board  []string // the benchmark's rows, as JSON
	// answer, where not nil, may answer in the hub's place.
	answer func(w http.ResponseWriter, r *http.Request) bool

	mu   sync.Mutex
	seen []*http.Request
}

func newFake(t *testing.T) *fakeHub {
	t.Helper()
	f := &fakeHub{trees: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// client speaks to the fake, and gives up at once.
func (f *fakeHub) client(t *testing.T) *Client {
	t.Helper()
	c, err := New(Options{URL: f.URL, BoardURL: f.URL + "/board", Token: nodes.NewSecret("hf_secret"), TokenName: "HF_TOKEN", Patience: NoRetry})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fakeHub) requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	if f.answer != nil && f.answer(w, r) {
		return
	}
	name, inModels := strings.CutPrefix(r.URL.Path, "/api/models/")
	repository, isTree := strings.CutSuffix(name, "/tree/main")
	switch {
	case r.URL.Path == "/board/rows":
		f.rows(w, r)
	case r.URL.Path == "/api/models":
		f.list(w, r)
	case inModels && isTree && f.trees[repository] != "":
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = fmt.Fprint(w, f.trees[repository])
	case inModels && !isTree && f.find(name) != "":
		_, _ = fmt.Fprint(w, f.find(name))
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.Header().Set("X-Error-Message", "Repository not found")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"error":"Repository not found"}`)
	}
}

func (f *fakeHub) find(name string) string {
	for _, m := range f.models {
		if strings.Contains(m, strconv.Quote(name)) {
			return m
		}
	}
	return ""
}

// list is a page of the list. The link to the next one names huggingface.co,
// as a mirror's does.
func (f *fakeHub) list(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	to := min(from+min(limit, 3), len(f.models))
	if to < len(f.models) {
		query := r.URL.Query()
		query.Set("cursor", strconv.Itoa(to))
		w.Header().Set("Link", fmt.Sprintf(`<https://huggingface.co/api/models?%s>; rel="next"`, query.Encode()))
	}
	_, _ = fmt.Fprintf(w, "[%s]", strings.Join(f.models[min(from, to):to], ","))
}

func (f *fakeHub) rows(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	length, _ := strconv.Atoi(r.URL.Query().Get("length"))
	from = min(from, len(f.board))
	var rows []string
	for i, row := range f.board[from:min(from+length, len(f.board))] {
		rows = append(rows, fmt.Sprintf(`{"row_idx":%d,"row":%s,"truncated_cells":[]}`, from+i, row))
	}
	_, _ = fmt.Fprintf(w, `{"features":[{"feature_idx":0,"name":"eval_name","type":{"dtype":"string","_type":"Value"}}],"rows":[%s],"num_rows_total":%d,"num_rows_per_page":100,"partial":false}`,
		strings.Join(rows, ","), len(f.board))
}

// listing is an element of the list as the hub sends it.
func listing(id string, downloads int, parameters int64, task, gated string, tags ...string) string {
	text, _ := json.Marshal(append([]string{"gguf", "license:apache-2.0", "endpoints_compatible", "region:us", "conversational"}, tags...))
	return fmt.Sprintf(`{"_id":"66bd677b84c23e82ae7e0f57","id":%q,"modelId":%q,"likes":42,"downloads":%d,"private":false,"gated":%s,"tags":%s,
		"pipeline_tag":%q,"lastModified":"2025-05-09T08:14:09.000Z",
		"gguf":{"total":%d,"architecture":"qwen3","context_length":40960,"chat_template":"{%%- if tools %%}","bos_token":"<s>","eos_token":"<|im_end|>"}}`,
		id, id, downloads, gated, text, task, parameters)
}

// tree is a repository's list of files as the hub sends it.
func tree(files ...any) string {
	entries := []string{
		`{"type":"directory","oid":"4e5a","size":0,"path":"BF16"}`,
		`{"type":"file","oid":"a6344aac8c09253b3b630fb776ae94478aa0275b","size":1519,"path":".gitattributes"}`,
		`{"type":"file","oid":"7be5fc7f47d5db027d120b8024982df93db95b74","size":5103,"path":"README.md"}`,
		`{"type":"file","oid":"11","size":900000000,"lfs":{"oid":"22","size":900000000,"pointerSize":134},"path":"mmproj-model-f16.gguf"}`,
	}
	for i := 0; i < len(files); i += 2 {
		entries = append(entries, fmt.Sprintf(`{"type":"file","oid":"0f","size":%[2]d,"lfs":{"oid":"9d","size":%[2]d,"pointerSize":135},"xetHash":"77","path":%[1]q}`, files[i], files[i+1]))
	}
	return "[" + strings.Join(entries, ",") + "]"
}

// row is a row of the benchmark as its server sends it, shortened.
func row(name string, average float64, flagged bool) string {
	return fmt.Sprintf(`{"eval_name":"x_bfloat16","Precision":"bfloat16","Type":"💬 chat models (RLHF, DPO, IFT, ...)","T":"💬","Weight type":"Original","Architecture":"Qwen2ForCausalLM",
		"Model":"<a target=\"_blank\" href=\"https://huggingface.co/%[1]s\">%[1]s</a>","fullname":%[1]q,"Model sha":"a09a","Average ⬆️":%[2]v,"Hub License":"apache-2.0","Hub ❤️":412,
		"#Params (B)":7.616,"Available on the hub":true,"MoE":false,"Flagged":%[3]v,"Chat Template":true,"CO₂ cost (kg)":1.2,"IFEval Raw":0.75,"IFEval":75.85,"Base Model":%[1]q}`, name, average, flagged)
}
