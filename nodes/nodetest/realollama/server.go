package realollama

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reserve is the time before the test's deadline at which a build is given up, so
// that its error is shown.
const reserve = 30 * time.Second

// patience is how long a state that must come may take on a busy machine.
const patience = 2 * time.Minute

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
	// URL is its base address. It stays the same over a restart.
	URL string

	t      testing.TB
	ctl    string
	folder string
	client *http.Client
}

// Need makes sure that a real server can be had, building it if need be:
// where it can't, the test is skipped with one line that says why, and fails
// where JARVIS_REAL_ENGINE is "required". With -short a server that isn't
// built yet is not built.
func Need(t testing.TB) {
	t.Helper()
	required := os.Getenv("JARVIS_REAL_ENGINE") == "required"
	if testing.Short() && !required && !built() {
		t.Skip("real Ollama: not built yet, and building takes minutes (-short)")
	}
	ctx := t.Context()
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, limited := d.Deadline(); limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
			defer cancel()
		}
	}
	_, err := Build(ctx)
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && !required:
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// Start starts a server and calls [Need] first. The server ends with its
// runners at the test's end, also where the test is killed.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Need(t)
	server, err := Build(t.Context())
	if err != nil {
		t.Fatalf("real Ollama: %v", err)
	}
	ctl, err := control.get(t.Context())
	if err != nil {
		t.Fatalf("real Ollama: %v", err)
	}
	s := &Server{
		t: t, ctl: ctl, folder: t.TempDir(),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.guard()
	for attempt := 0; ; attempt++ { // a port found free may be taken a moment later
		addr := freeAddr(t)
		s.URL = "http://" + addr
		s.describe(server, addr, o.Env)
		err := s.Restart()
		if err == nil {
			break
		}
		if attempt == 4 {
			t.Fatalf("real Ollama: %v\n%s", err, lastLines(s.Log(), 20))
		}
	}
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

// describe writes what the control program starts.
func (s *Server) describe(server, addr string, env []string) {
	s.t.Helper()
	node := struct {
		Program string
		Args    []string
		Env     []string
		Addr    string
	}{
		Program: server,
		Args:    []string{"serve"},
		Env: append([]string{
			"PATH=" + os.Getenv("PATH"),
			"HOME=" + s.folder, // it writes a key there
			"OLLAMA_HOST=" + addr,
			"OLLAMA_MODELS=" + s.models(),
			"OLLAMA_NO_CLOUD=1",
		}, env...),
		Addr: addr,
	}
	b, err := json.Marshal(node)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.folder, "node.json"), b, 0o600)
	}
	if err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
}

// guard starts the process that ends the server with the test: it reads from
// a pipe that the kernel closes when this process is gone.
func (s *Server) guard() {
	s.t.Helper()
	cmd := exec.Command(s.ctl, "guard", s.folder)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatalf("real Ollama: guard: %v", err)
	}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the log of %s ends with:\n%s", s.URL, lastLines(s.Log(), 30))
		}
		s.client.CloseIdleConnections()
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("real Ollama: the server could not be ended: %v", err)
		}
	})
}

func freeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("real Ollama: %v", err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *Server) models() string { return filepath.Join(s.folder, "models") }

// Log returns what the server has logged so far.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// RestartCommand returns a program and its arguments that start the server
// anew on its port, without a shell. It ends the old server first, also one
// that is stopped, and its runners; it returns when the server answers, and
// the server lives on after it. To run it twice does no harm.
func (s *Server) RestartCommand() []string { return []string{s.ctl, "start", s.folder} }

// Restart runs the restart command.
func (s *Server) Restart() error {
	args := s.RestartCommand()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("restart: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// PID returns the server's process, 0 where it was never started. It is the
// last one's also after it ended.
func (s *Server) PID() int {
	b, err := os.ReadFile(filepath.Join(s.folder, "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// call sends in as JSON and decodes the answer into out, where not nil.
func (s *Server) call(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case io.Reader:
		body = in
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(b))
	}
	if out != nil {
		return json.Unmarshal(b, out)
	}
	return nil
}

// must is call for what cannot fail.
func (s *Server) must(method, path string, in, out any) {
	s.t.Helper()
	if err := s.call(method, path, in, out); err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
}

// until waits for a state that must come.
func (s *Server) until(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("real Ollama: %s: not so after %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
