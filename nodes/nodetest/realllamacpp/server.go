package realllamacpp

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/turbone/jarvis/nodes/nodetest/internal/realserver"
	"github.com/turbone/jarvis/nodes/nodetest/tinygguf"
)

// Options say how a server starts.
type Options struct {
	// Router starts a router, with a process for each model of its folder. Else
	// the server has one model, Model.
	Router bool
	// Models are in the folder of a router.
	Models map[string]tinygguf.Spec
	// Model is the one of a single server, Name its names, with commas between. It
	// is listed by the first of them in the order of the alphabet.
	Model tinygguf.Spec
	Name  string
	// Args are added to the command line.
	Args []string
}

// Server is a real llama-server of a test. Its methods are safe for concurrent
// use; those that fail end the test, so call them from its goroutine.
type Server struct {
	*realserver.Server
	t testing.TB
}

// Need makes sure that a real server can be had, fetching it if need be: where it
// can't, the test is skipped with one line that says why, and fails where
// JARVIS_REAL_ENGINE is "required". With -short a server that isn't there yet is
// not fetched.
func Need(t testing.TB) { need(t) }

func need(t testing.TB) (p Program) {
	t.Helper()
	if testing.Short() && !realserver.Required() {
		if dir, err := realserver.Cache("llama-server"); err == nil {
			if p, _, ok := cached(dir); ok {
				return p
			}
		}
		t.Skip("real llama-server: not fetched yet (-short)")
	}
	realserver.Need(t, func(ctx context.Context) (err error) {
		p, err = Fetch(ctx)
		return err
	})
	if p.Stale != nil {
		t.Logf("llama-server %s of the cache, whether there is a newer one could not be told: %v", p.Version, p.Stale)
	}
	return p
}

// Start starts a server and calls [Need] first. The server ends with its child
// processes at the test's end, also where the test is killed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	p := need(t)
	s := &Server{t: t, Server: realserver.Start(t, func(folder, addr string) realserver.Command {
		host, port, _ := strings.Cut(addr, ":")
		args := []string{"--host", host, "--port", port, "--threads", "1", "--threads-batch", "1", "--offline"}
		if o.Router {
			models := modelsDir(folder)
			if err := os.MkdirAll(models, 0o700); err != nil {
				t.Fatal(err)
			}
			for name, spec := range o.Models {
				writeModel(t, models, name, spec)
			}
			args = append(args, "--models-dir", models)
		} else {
			args = append(args, "-m", writeModel(t, folder, "model", o.Model))
			if o.Name != "" {
				args = append(args, "-a", o.Name)
			}
		}
		// A context of 2048 for each of four slots.
		args = append(args, "--ctx-size", strconv.Itoa(4*2048), "--parallel", "4")
		return realserver.Command{
			Name: "real llama-server", Program: p.Path, Args: append(args, o.Args...), Ready: "/health",
			Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "LLAMA_CACHE=" + filepath.Join(folder, "cache")},
		}
	})}
	return s
}

func modelsDir(folder string) string { return filepath.Join(folder, "models") }

// writeModel writes the file of a model and returns its path.
func writeModel(t testing.TB, dir, name string, spec tinygguf.Spec) string {
	t.Helper()
	if spec.Name == "" {
		spec.Name = name
	}
	path := filepath.Join(dir, name+".gguf")
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if err := tinygguf.Write(f, spec); err != nil {
		t.Fatalf("real llama-server: model %s: %v", name, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A server that reads the old file goes on with it.
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}
