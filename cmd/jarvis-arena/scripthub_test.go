package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Repositories of the fake hub, as huggingface.co lists them.
var hubModels = []struct {
	name, tags, gated string
	downloads         int64
	weights           int64
	files             []string // names and sizes
}{
	{"lab/Small-7B-Instruct-GGUF", `"base_model:quantized:lab/Small-7B-Instruct"`, "false", 900_000, 7_600_000_000,
		[]string{"small-7b-instruct-q8_0.gguf 8098525888", "small-7b-instruct-q4_k_m.gguf 4683073536"}},
	{"lab/Known-3B-GGUF", `"base_model:quantized:lab/Known-3B"`, `"auto"`, 40_000, 3_100_000_000,
		[]string{"known-3b-Q6_K.gguf 2538158400"}},
	{"lab/Huge-70B-GGUF", `"base_model:quantized:lab/Huge-70B"`, "false", 2_000_000, 70_600_000_000,
		[]string{"huge-70b-Q4_K_M.gguf 42520398432"}},
}

// startHub NAME [token=TOKEN] [echo] starts a hub of three models, and a server
// of the benchmark that knows one of them; it sets NAME_URL. With a token it
// refuses every other, and with echo it repeats what it refuses.
func startHub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: hub NAME [token=TOKEN] [echo]")
	}
	token, echo := "", slices.Contains(args, "echo")
	for _, arg := range args[1:] {
		if t, ok := strings.CutPrefix(arg, "token="); ok {
			token = t
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/board/rows" {
			if r.Header.Get("Authorization") != "" {
				http.Error(w, "the benchmark was sent a token", http.StatusBadRequest)
				return
			}
			_, _ = fmt.Fprint(w, `{"rows":[{"row_idx":0,"row":{"fullname":"lab/Known-3B","Average ⬆️":31.5,"Flagged":false}}],"num_rows_total":1}`)
			return
		}
		if sent := r.Header.Get("Authorization"); token != "" && sent != "Bearer "+token {
			said := "Invalid credentials in Authorization header"
			if echo {
				said += ": " + sent
			}
			w.Header().Set("X-Error-Message", said)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":%q}`, said)
			return
		}
		serveHub(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0]+"_URL", s.URL)
}

func serveHub(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/models" {
		var list []string
		for i, m := range hubModels {
			if strings.Contains(strings.ToLower(m.name), strings.ToLower(r.URL.Query().Get("search"))) {
				list = append(list, hubEntry(i))
			}
		}
		_, _ = fmt.Fprintf(w, "[%s]", strings.Join(list, ","))
		return
	}
	for i, m := range hubModels {
		switch r.URL.Path {
		case "/api/models/" + m.name:
			_, _ = fmt.Fprint(w, hubEntry(i))
			return
		case "/api/models/" + m.name + "/tree/main":
			var files []string
			for _, file := range m.files {
				name, size, _ := strings.Cut(file, " ")
				files = append(files, fmt.Sprintf(`{"type":"file","oid":"0f","size":%[2]s,"lfs":{"oid":"9d","size":%[2]s,"pointerSize":135},"path":%[1]q}`, name, size))
			}
			_, _ = fmt.Fprintf(w, "[%s]", strings.Join(files, ","))
			return
		}
	}
	w.Header().Set("X-Error-Code", "RepoNotFound")
	w.Header().Set("X-Error-Message", "Repository not found")
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprint(w, `{"error":"Repository not found"}`)
}

func hubEntry(i int) string {
	m := hubModels[i]
	return fmt.Sprintf(`{"id":%q,"likes":42,"downloads":%d,"private":false,"gated":%s,"tags":["gguf",%s],"pipeline_tag":"text-generation",
		"lastModified":"2025-05-09T08:14:09.000Z","gguf":{"total":%d,"architecture":"qwen2","context_length":32768}}`,
		m.name, m.downloads, m.gated, m.tags, m.weights)
}
