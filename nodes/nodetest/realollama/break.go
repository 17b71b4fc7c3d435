package realollama

import "strings"

// Runners returns the processes that run models, orphans of a killed server
// included.
func (s *Server) Runners() []int {
	s.t.Helper()
	return s.Processes(func(line string) bool {
		// The server also starts a runner without a model, to look for GPUs.
		return strings.Contains(line, " runner ") && strings.Contains(line, " --model ")
	})
}

// KillRunner ends every runner (SIGKILL), as the kernel does when memory runs
// out, and returns when they are gone. The server goes on listing the models.
func (s *Server) KillRunner() {
	s.t.Helper()
	for _, pid := range s.someRunners() {
		s.KillProcess(pid)
	}
}

// StopRunner stops every runner (SIGSTOP), as a hanging GPU driver does: all
// lists stay healthy, and every generation hangs.
func (s *Server) StopRunner() {
	s.t.Helper()
	for _, pid := range s.someRunners() {
		s.StopProcess(pid)
	}
}

// ContRunner lets stopped runners go on.
func (s *Server) ContRunner() {
	s.t.Helper()
	for _, pid := range s.Runners() {
		s.ContProcess(pid)
	}
}

func (s *Server) someRunners() []int {
	s.t.Helper()
	runners := s.Runners()
	if len(runners) == 0 {
		s.t.Fatal("real Ollama: no runner: load a model first")
	}
	return runners
}
