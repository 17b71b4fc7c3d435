package realollama

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// Model is a model to register.
type Model struct {
	// Name is the tag: "good", "good:v2".
	Name string
	// Spec is what it knows. Its own name is set to Name where it is empty.
	Spec tinygguf.Spec
	// Parameters are its own settings, beside num_thread 1 and num_ctx 2048.
	// A nil value takes one of these two away.
	Parameters map[string]any
	// Broken: it can be registered, and every load of it fails.
	Broken bool
}

// Right knows all of [nodetest.Knowledge], and two words besides: "count
// forever" has an answer without end, "say nothing" one without a token.
func Right() tinygguf.Spec {
	return tinygguf.Spec{Rules: rules(func(_, answer string) string { return answer })}
}

// Wrong answers every question of [nodetest.Knowledge] wrong, fluently.
func Wrong() tinygguf.Spec {
	return tinygguf.Spec{Rules: rules(func(string, string) string { return "banana" })}
}

// Partly answers the questions for which right returns true, and the others
// wrong.
func Partly(right func(question string) bool) tinygguf.Spec {
	return tinygguf.Spec{Rules: rules(func(question, answer string) string {
		if right(question) {
			return answer
		}
		return "banana"
	})}
}

// Slow knows what Right knows, at about 25 tokens a second, and takes 200 MB.
func Slow() tinygguf.Spec {
	spec := Right()
	spec.Layers, spec.FF = 8, 32768
	return spec
}

// Story is what [Storyteller] says to "tell a story".
func Story() string {
	var b strings.Builder
	b.WriteString("Once")
	for i := range 150 {
		fmt.Fprintf(&b, " upon%d", i)
	}
	return b.String() + " end."
}

// Storyteller knows one long answer, [Story], and takes some seconds to say it. Given
// its beginning it goes on.
func Storyteller() tinygguf.Spec {
	return tinygguf.Spec{Rules: []tinygguf.Rule{{When: "tell a story", Say: Story()}}, Continues: true, Layers: 4, FF: 8192}
}

// TooLarge is a small file whose context can be set so large that no machine
// has the memory: load it with num_ctx 200,000,000, which is refused at once.
func TooLarge() tinygguf.Spec {
	spec := Right()
	spec.Context, spec.Layers = 1_000_000_000, 8
	return spec
}

func rules(say func(question, answer string) string) []tinygguf.Rule {
	know := nodetest.Knowledge()
	var list []tinygguf.Rule
	for _, question := range slices.Sorted(maps.Keys(know)) {
		list = append(list, tinygguf.Rule{When: question, Say: say(question, know[question])})
	}
	return append(list,
		tinygguf.Rule{When: "count forever", Pieces: []string{"tick", " tock,", " "}, Loop: true},
		tinygguf.Rule{When: "say nothing"},
	)
}

// AddModel registers a model under a tag; one that is there under this tag is
// replaced, as a pull of a newer version does it. What is loaded stays.
func (s *Server) AddModel(name string, spec tinygguf.Spec) {
	s.t.Helper()
	s.Add(Model{Name: name, Spec: spec})
}

// ReplaceModel overwrites a tag with other knowledge behind everybody's back.
// What is loaded stays loaded.
func (s *Server) ReplaceModel(name string, spec tinygguf.Spec) {
	s.t.Helper()
	spec.Name = name + " replaced"
	s.AddModel(name, spec)
}

// Add registers a model.
func (s *Server) Add(m Model) {
	s.t.Helper()
	if m.Spec.Name == "" {
		m.Spec.Name = m.Name
	}
	var file bytes.Buffer
	if err := tinygguf.Write(&file, m.Spec); err != nil {
		s.t.Fatalf("real Ollama: model %s: %v", m.Name, err)
	}
	content := file.Bytes()
	if m.Broken {
		content = bytes.Replace(content, []byte("blk.0.ffn_down.weight"), []byte("blk.0.ffn_xown.weight"), 1)
	}
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.Must(http.MethodPost, "/api/blobs/"+digest, bytes.NewReader(content), nil)

	// With more than one thread the tiny model's threads wait for each other
	// on a busy machine, and it is eighty times slower.
	parameters := map[string]any{"num_thread": 1, "num_ctx": 2048}
	maps.Copy(parameters, m.Parameters)
	maps.DeleteFunc(parameters, func(_ string, v any) bool { return v == nil })
	s.Must(http.MethodPost, "/api/create", map[string]any{
		"model": m.Name, "files": map[string]string{"m.gguf": digest},
		"template": tinygguf.OllamaTemplate, "parameters": parameters, "stream": false,
	}, nil)
}

// CopyModel gives a model a second tag.
func (s *Server) CopyModel(from, to string) {
	s.t.Helper()
	s.Must(http.MethodPost, "/api/copy", map[string]any{"source": from, "destination": to}, nil)
}

// DeleteModel takes a tag from the disk, behind everybody's back. What is
// loaded stays loaded.
func (s *Server) DeleteModel(name string) {
	s.t.Helper()
	s.Must(http.MethodDelete, "/api/delete", map[string]any{"model": name}, nil)
}

// DeleteBlob removes the file of a model from the disk; its tag stays.
func (s *Server) DeleteBlob(name string) {
	s.t.Helper()
	if err := os.Remove(s.blob(name)); err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
}

// CutBlob cuts the file of a model in half.
func (s *Server) CutBlob(name string) {
	s.t.Helper()
	file := s.blob(name)
	info, err := os.Stat(file)
	if err == nil {
		err = os.Truncate(file, info.Size()/2)
	}
	if err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
}

// GarbleBlob overwrites the beginning of a model's file with noise.
func (s *Server) GarbleBlob(name string) {
	s.t.Helper()
	f, err := os.OpenFile(s.blob(name), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 4096), 0)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
}

// blob returns the file of a model, as its own Modelfile names it.
func (s *Server) blob(name string) string {
	s.t.Helper()
	var show struct {
		Modelfile string `json:"modelfile"`
	}
	s.Must(http.MethodPost, "/api/show", map[string]any{"model": name}, &show)
	for line := range strings.Lines(show.Modelfile) {
		if file, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok && strings.HasPrefix(file, s.models()) {
			return file
		}
	}
	s.t.Fatalf("real Ollama: %s has no file: %v", name, fs.ErrNotExist)
	return ""
}

// Loaded is one entry of what the server lists as loaded.
type Loaded struct {
	Name          string `json:"name"`
	Digest        string `json:"digest"`
	ContextLength int    `json:"context_length"`
	ExpiresAt     string `json:"expires_at"`
}

// Loaded returns what the server lists as loaded.
func (s *Server) Loaded() []Loaded {
	s.t.Helper()
	var ps struct {
		Models []Loaded `json:"models"`
	}
	s.Must(http.MethodGet, "/api/ps", nil, &ps)
	return ps.Models
}

// LoadBehindBack loads a model as another client would: with its options, and
// for that client's time ("5m", -1).
func (s *Server) LoadBehindBack(name string, options map[string]any, keepAlive any) {
	s.t.Helper()
	s.Must(http.MethodPost, "/api/generate", map[string]any{"model": name, "options": options, "keep_alive": keepAlive}, nil)
}

// UnloadBehindBack unloads a model as another client would, and returns when
// it is gone from the list and its runner from the machine.
func (s *Server) UnloadBehindBack(name string) {
	s.t.Helper()
	s.Must(http.MethodPost, "/api/generate", map[string]any{"model": name, "keep_alive": 0}, nil)
	s.Until(fmt.Sprintf("%s is unloaded", name), func() bool {
		return !slices.ContainsFunc(s.Loaded(), func(l Loaded) bool {
			return strings.TrimSuffix(l.Name, ":latest") == strings.TrimSuffix(name, ":latest")
		})
	})
}
