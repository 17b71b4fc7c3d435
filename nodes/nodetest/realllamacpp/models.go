package realllamacpp

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// AddModel puts a model into a router's folder, which the router sees once it is
// asked to look again.
func (s *Server) AddModel(name string, spec tinygguf.Spec) {
	s.t.Helper()
	writeModel(s.t, modelsDir(s.Folder()), name, spec)
}

// AddBrokenModel puts a file into a router's folder that no load succeeds with.
func (s *Server) AddBrokenModel(name string) {
	s.t.Helper()
	var file bytes.Buffer
	err := tinygguf.Write(&file, tinygguf.Spec{Name: name})
	if err == nil {
		content := bytes.Replace(file.Bytes(), []byte("blk.0.ffn_down.weight"), []byte("blk.0.ffn_xown.weight"), 1)
		err = os.WriteFile(s.file(name), content, 0o600)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// ReplaceModel overwrites the file of a single server's model, or of a router's,
// with other knowledge. What is loaded stays.
func (s *Server) ReplaceModel(name string, spec tinygguf.Spec) {
	s.t.Helper()
	writeModel(s.t, filepath.Dir(s.file(name)), strings.TrimSuffix(filepath.Base(s.file(name)), ".gguf"), spec)
}

// DeleteModel removes a model's file. What is loaded stays.
func (s *Server) DeleteModel(name string) {
	s.t.Helper()
	if err := os.Remove(s.file(name)); err != nil {
		s.Fatal(err)
	}
}

// file returns the path of a model's file.
func (s *Server) file(name string) string {
	if _, err := os.Stat(modelsDir(s.Folder())); err == nil {
		return filepath.Join(modelsDir(s.Folder()), name+".gguf")
	}
	return filepath.Join(s.Folder(), "model.gguf")
}

// Entry is a model in a router's list.
type Entry struct {
	ID     string `json:"id"`
	Status struct {
		Value    string `json:"value"`
		Failed   bool   `json:"failed"`
		ExitCode int    `json:"exit_code"`
	} `json:"status"`
}

// List returns a router's list. look makes it look into its folder first.
func (s *Server) List(look bool) []Entry {
	s.t.Helper()
	path := "/models"
	if look {
		path += "?reload=1"
	}
	var list struct{ Data []Entry }
	s.Must(http.MethodGet, path, nil, &list)
	return list.Data
}

// Status returns the status of a router's model: "loaded", "unloaded", "" where it
// is not listed.
func (s *Server) Status(name string) string {
	s.t.Helper()
	for _, e := range s.List(false) {
		if e.ID == name {
			return e.Status.Value
		}
	}
	return ""
}

// LoadBehindBack loads a router's model as another client would, and returns when
// it is loaded.
func (s *Server) LoadBehindBack(name string) {
	s.t.Helper()
	s.Must(http.MethodPost, "/models/load", map[string]string{"model": name}, nil)
	s.Until(name+" is loaded", func() bool { return s.Status(name) == "loaded" })
}

// UnloadBehindBack unloads a router's model as another client would, and returns
// when it is gone.
func (s *Server) UnloadBehindBack(name string) {
	s.t.Helper()
	before := s.Children(name)
	s.Must(http.MethodPost, "/models/unload", map[string]string{"model": name}, nil)
	s.Until(name+" is unloaded", func() bool { // it may be loaded again by now
		return s.Status(name) == "unloaded" || !slices.Equal(s.Children(name), before)
	})
}

// Children returns a router's processes that run a model, all of them for "".
func (s *Server) Children(model string) []int {
	s.t.Helper()
	return s.Processes(func(line string) bool {
		if !strings.Contains(line, "llama-server") || strings.Contains(line, "--models-dir") {
			return false
		}
		return model == "" || strings.Contains(line+" ", "--alias "+model+" ")
	})
}

// KillChild ends the process of a router's model (SIGKILL) and returns when it is
// gone.
func (s *Server) KillChild(model string) {
	s.t.Helper()
	s.KillProcess(s.child(model))
}

// StopChild stops the process of a router's model (SIGSTOP): all lists stay
// healthy, and every chat hangs.
func (s *Server) StopChild(model string) {
	s.t.Helper()
	s.StopProcess(s.child(model))
}

// ContChild lets a stopped process of a router's model go on.
func (s *Server) ContChild(model string) {
	s.t.Helper()
	s.ContProcess(s.child(model))
}

// TerminateChild asks the process of a router's model to end (SIGTERM), as a
// shutdown does, and does not wait for it. With a stream under way it lingers.
func (s *Server) TerminateChild(model string) {
	s.t.Helper()
	s.TerminateProcess(s.child(model))
}

func (s *Server) child(model string) int {
	s.t.Helper()
	pids := s.Children(model)
	if len(pids) != 1 {
		s.t.Fatalf("real llama-server: %d processes run %s, want 1: load it first", len(pids), model)
	}
	return pids[0]
}
