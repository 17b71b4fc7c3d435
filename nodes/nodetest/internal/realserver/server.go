package realserver

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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Patience is how long a state that must come may take on a busy machine.
const Patience = 2 * time.Minute

// Required reports whether a real server that can't be had fails its tests, where
// it skips them otherwise: the environment variable JARVIS_REAL_ENGINE is
// "required".
func Required() bool { return os.Getenv("JARVIS_REAL_ENGINE") == "required" }

// reserve is the time before the test's deadline at which a build is given up, so
// that its error is shown.
const reserve = 30 * time.Second

// Need calls get with a context that ends shortly before the test's deadline. On
// an error that wraps [ErrUnavailable] it skips the test with the error's text,
// unless [Required] says otherwise.
func Need(t testing.TB, get func(context.Context) error) {
	t.Helper()
	ctx := t.Context()
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, limited := d.Deadline(); limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
			defer cancel()
		}
	}
	err := get(ctx)
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && !Required():
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// Command is what a server is started by.
type Command struct {
	// Name is the server's in errors: "real Ollama".
	Name string
	// Program is run with Args and Env, in the server's folder.
	Program string
	Args    []string
	Env     []string
	// Ready is a path that answers with 200 once the server is ready.
	Ready string
}

// Server is a real server of a test. Its methods are safe for concurrent use;
// those that fail end the test, so call them from its goroutine.
type Server struct {
	// URL is its base address. It stays the same over a restart.
	URL string
	// Key is sent by Call, unless it is empty.
	Key string

	t      testing.TB
	name   string
	ctl    string
	folder string
	client *http.Client
}

// Start starts a server. command is given its folder and address. The server ends
// with the processes of its group at the test's end, also where the test is
// killed.
func Start(t testing.TB, command func(folder, addr string) Command) *Server {
	t.Helper()
	ctl, err := control.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		t: t, ctl: ctl, folder: t.TempDir(),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.guard()
	for attempt := 0; ; attempt++ { // a port found free may be taken a moment later
		addr := s.freeAddr()
		c := command(s.folder, addr)
		s.URL, s.name = "http://"+addr, c.Name
		s.describe(c, addr)
		err := s.Restart()
		if err == nil {
			return s
		}
		if attempt == 4 {
			t.Fatalf("%s: %v\n%s", s.name, err, lastLines(s.Log(), 20))
		}
	}
}

// describe writes what the control program starts.
func (s *Server) describe(c Command, addr string) {
	s.t.Helper()
	node := struct {
		Program     string
		Args, Env   []string
		Addr, Ready string
	}{c.Program, c.Args, c.Env, addr, c.Ready}
	b, err := json.Marshal(node)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.folder, "node.json"), b, 0o600)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// guard starts the process that ends the server with the test: it reads from
// a pipe that the kernel closes when this process is gone.
func (s *Server) guard() {
	s.t.Helper()
	cmd := exec.Command(s.ctl, "guard", s.folder)
	ownSession(cmd) // or it ends with the test's group, and the server stays
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatalf("guard of a real server: %v", err)
	}
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the log of %s ends with:\n%s", s.URL, lastLines(s.Log(), 30))
		}
		s.client.CloseIdleConnections()
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("%s: the server could not be ended: %v", s.name, err)
		}
	})
}

func (s *Server) freeAddr() string {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Folder is the server's own, and is removed with it.
func (s *Server) Folder() string { return s.folder }

// Fatal ends the test with an error of the server.
func (s *Server) Fatal(err error) {
	s.t.Helper()
	s.t.Fatalf("%s: %v", s.name, err)
}

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
// that is stopped, and the processes of its group; it returns when the server
// answers, and the server lives on after it. To run it twice does no harm.
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

// Kill ends the server at once (SIGKILL) and returns when it is gone. What it
// started may live on, as in the field.
func (s *Server) Kill() {
	s.t.Helper()
	pid := s.PID()
	s.KillProcess(pid)
	s.Until("the server is gone", func() bool { return !s.listens() || s.PID() != pid }) // it may be back by now
}

// listens reports whether the port takes connections: a killed process's other
// threads may hold it a moment longer than the process is listed.
func (s *Server) listens() bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// Stop stops the server (SIGSTOP) and returns when it has stopped: connections
// are accepted by the kernel, and no byte ever comes back.
func (s *Server) Stop() {
	s.t.Helper()
	s.StopProcess(s.PID())
}

// Cont lets a stopped server go on.
func (s *Server) Cont() {
	s.t.Helper()
	s.ContProcess(s.PID())
}

// Terminate asks the server to end (SIGTERM) and does not wait for it.
func (s *Server) Terminate() {
	s.t.Helper()
	s.TerminateProcess(s.PID())
}

// KillProcess ends a process of the server's group at once (SIGKILL) and returns
// when it is gone.
func (s *Server) KillProcess(pid int) {
	s.t.Helper()
	s.signal(pid, signalKill)
	s.Until("the process is gone", func() bool { return !s.alive(pid) })
}

// StopProcess stops a process of the server's group (SIGSTOP) and returns when it
// has stopped, or was ended for that.
func (s *Server) StopProcess(pid int) {
	s.t.Helper()
	s.signal(pid, signalStop)
	s.Until("the process has stopped", func() bool {
		return !slices.ContainsFunc(s.processes(), func(p process) bool { return p.pid == pid && !p.stopped })
	})
}

// ContProcess lets a stopped process of the server's group go on.
func (s *Server) ContProcess(pid int) {
	s.t.Helper()
	s.signal(pid, signalCont)
}

// TerminateProcess asks a process of the server's group to end (SIGTERM) and does
// not wait for it.
func (s *Server) TerminateProcess(pid int) {
	s.t.Helper()
	s.signal(pid, signalTerm)
}

// Alive reports whether the server's process runs, stopped ones included.
func (s *Server) Alive() bool {
	s.t.Helper()
	return s.alive(s.PID())
}

func (s *Server) alive(pid int) bool {
	return slices.ContainsFunc(s.processes(), func(p process) bool { return p.pid == pid })
}

// Processes returns the processes of the server's group whose command lines are
// wanted, orphans of a killed server included.
func (s *Server) Processes(wanted func(commandLine string) bool) []int {
	s.t.Helper()
	var list []int
	for _, p := range s.processes() {
		if wanted(p.args) {
			list = append(list, p.pid)
		}
	}
	return list
}

// processes lists what runs in the server's group: the server is its leader,
// and what it started stays in it when the server is gone.
func (s *Server) processes() []process {
	s.t.Helper()
	list, err := group(s.PID())
	if err != nil {
		s.Fatal(err)
	}
	return list
}

func (s *Server) signal(pid int, send func(int) error) {
	s.t.Helper()
	if pid <= 1 {
		s.Fatal(errors.New("the server is not running"))
	}
	if err := send(pid); err != nil {
		s.Fatal(fmt.Errorf("signal to %d: %w", pid, err))
	}
}

// Call sends in as JSON and decodes the answer into out, where not nil.
func (s *Server) Call(method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
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
	if s.Key != "" {
		req.Header.Set("Authorization", "Bearer "+s.Key)
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

// Must is Call for what cannot fail.
func (s *Server) Must(method, path string, in, out any) {
	s.t.Helper()
	if err := s.Call(method, path, in, out); err != nil {
		s.Fatal(err)
	}
}

// Until waits for a state that must come.
func (s *Server) Until(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(Patience)
	for !ok() {
		if time.Now().After(deadline) {
			s.Fatal(fmt.Errorf("%s: not so after %s", what, Patience))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
