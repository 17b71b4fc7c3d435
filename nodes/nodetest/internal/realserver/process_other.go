//go:build !linux && !darwin

package realserver

import "os/exec"

// Nothing here is ever called: build says first that there is no server.

type process struct {
	pid, group int
	args       string
	stopped    bool
}

func groupCommand(*exec.Cmd) {}

func group(int) ([]process, error) { return nil, ErrUnavailable }

func signalKill(int) error { return ErrUnavailable }
func signalStop(int) error { return ErrUnavailable }
func signalCont(int) error { return ErrUnavailable }
func signalTerm(int) error { return ErrUnavailable }

func ownSession(*exec.Cmd) {}
