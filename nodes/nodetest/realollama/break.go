package realollama

import (
	"net"
	"slices"
	"strings"
)

// Kill ends the server at once (SIGKILL) and returns when it is gone. Its
// runners live on as orphans, as in the field.
func (s *Server) Kill() {
	s.t.Helper()
	pid := s.PID()
	s.signal(pid, signalKill)
	s.until("the server is gone", func() bool { return !s.alive(pid) && !s.listens() })
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
	s.stop(s.PID())
}

func (s *Server) stop(pid int) {
	s.t.Helper()
	s.signal(pid, signalStop)
	s.until("the process has stopped", func() bool {
		return slices.ContainsFunc(s.processes(), func(p process) bool { return p.pid == pid && p.stopped })
	})
}

// Cont lets a stopped server go on.
func (s *Server) Cont() {
	s.t.Helper()
	s.signal(s.PID(), signalCont)
}

// Alive reports whether the server's process runs, stopped ones included.
func (s *Server) Alive() bool {
	s.t.Helper()
	return s.alive(s.PID())
}

func (s *Server) alive(pid int) bool {
	return slices.ContainsFunc(s.processes(), func(p process) bool { return p.pid == pid })
}

// Runners returns the processes that run models, orphans of a killed server
// included.
func (s *Server) Runners() []int {
	s.t.Helper()
	var list []int
	for _, p := range s.processes() {
		// The server also starts a runner without a model, to look for GPUs.
		if strings.Contains(p.args, " runner ") && strings.Contains(p.args, " --model ") {
			list = append(list, p.pid)
		}
	}
	return list
}

// KillRunner ends every runner (SIGKILL), as the kernel does when memory runs
// out, and returns when they are gone. The server goes on listing the models.
func (s *Server) KillRunner() {
	s.t.Helper()
	runners := s.Runners()
	if len(runners) == 0 {
		s.t.Fatal("real Ollama: no runner to kill: load a model first")
	}
	for _, pid := range runners {
		s.signal(pid, signalKill)
	}
	s.until("the runners are gone", func() bool {
		return !slices.ContainsFunc(runners, s.alive)
	})
}

// StopRunner stops every runner (SIGSTOP), as a hanging GPU driver does: all
// lists stay healthy, and every generation hangs.
func (s *Server) StopRunner() {
	s.t.Helper()
	runners := s.Runners()
	if len(runners) == 0 {
		s.t.Fatal("real Ollama: no runner to stop: load a model first")
	}
	for _, pid := range runners {
		s.stop(pid)
	}
}

// ContRunner lets stopped runners go on.
func (s *Server) ContRunner() {
	s.t.Helper()
	for _, pid := range s.Runners() {
		s.signal(pid, signalCont)
	}
}

// processes lists what runs in the server's group: the server is its leader,
// and its runners stay in it when the server is gone.
func (s *Server) processes() []process {
	s.t.Helper()
	list, err := group(s.PID())
	if err != nil {
		s.t.Fatalf("real Ollama: %v", err)
	}
	return list
}

func (s *Server) signal(pid int, send func(int) error) {
	s.t.Helper()
	if pid <= 1 {
		s.t.Fatal("real Ollama: the server is not running")
	}
	if err := send(pid); err != nil {
		s.t.Fatalf("real Ollama: signal to %d: %v", pid, err)
	}
}
