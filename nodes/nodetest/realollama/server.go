package realollama

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/turbone/jarvis/nodes/nodetest/internal/realserver"
)

// Options say how a server starts.
type Options struct {
	// Models are registered before Start returns; none is loaded.
	Models []Model
	// Env is added to the server's environment: "OLLAMA_MAX_QUEUE=1".
	Env []string
}

// Server is a real Ollama server of a test. Its methods are safe for
// concurrent use; those that fail end the test, so call them from its
// goroutine.
type Server struct {
	*realserver.Server
	t testing.TB
}

// Need makes sure that a real server can be had, building it if need be:
// where it can't, the test is skipped with one line that says why, and fails
// where JARVIS_REAL_ENGINE is "required". With -short a server that isn't
// built yet is not built.
func Need(t testing.TB) {
	t.Helper()
	if testing.Short() && !realserver.Required() && !engine.Built() {
		t.Skip("real Ollama: not built yet, and building takes minutes (-short)")
	}
	realserver.Need(t, func(ctx context.Context) error {
		_, err := Build(ctx)
		return err
	})
}

// Start starts a server and calls [Need] first. The server ends with its
// runners at the test's end, also where the test is killed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Need(t)
	program, err := Build(t.Context())
	if err != nil {
		t.Fatalf("real Ollama: %v", err)
	}
	s := &Server{t: t, Server: realserver.Start(t, func(folder, addr string) realserver.Command {
		return realserver.Command{
			Name: "real Ollama", Program: program, Args: []string{"serve"}, Ready: "/api/version",
			Env: append([]string{
				"PATH=" + os.Getenv("PATH"),
				"HOME=" + folder, // it writes a key there
				"OLLAMA_HOST=" + addr,
				"OLLAMA_MODELS=" + filepath.Join(folder, "models"),
				"OLLAMA_NO_CLOUD=1",
			}, o.Env...),
		}
	})}
	for _, m := range o.Models {
		s.Add(m)
	}
	return s
}

// StartCluster starts n servers without models.
func StartCluster(t testing.TB, n int) []*Server {
	t.Helper()
	list := make([]*Server, n)
	for i := range list {
		list[i] = Start(t, Options{})
	}
	return list
}

func (s *Server) models() string { return filepath.Join(s.Folder(), "models") }
