//go:build linux || darwin

package realserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is one running process; zombies are none.
type process struct {
	pid, group int
	args       string
	stopped    bool // with all its threads, where that can be told
}

// groupCommand makes a command's end that of its children as well: a go
// command leaves its compilers behind.
func groupCommand(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// ownSession starts a command outside of this process's group.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// group lists the processes of a group.
func group(id int) ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var list []process
	for _, p := range all {
		if p.group == id {
			list = append(list, p)
		}
	}
	return list, nil
}

func processes() ([]process, error) {
	if list, err := procfs(); err == nil {
		return list, nil
	}
	out, err := exec.Command("ps", "-axo", "pid=,pgid=,stat=,args=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var list []process
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || strings.HasPrefix(f[2], "Z") {
			continue
		}
		pid, errPID := strconv.Atoi(f[0])
		group, errGroup := strconv.Atoi(f[1])
		if errPID == nil && errGroup == nil {
			list = append(list, process{pid, group, strings.Join(f[3:], " "), strings.HasPrefix(f[2], "T")})
		}
	}
	return list, nil
}

// procfs reads Linux's /proc.
func procfs() ([]process, error) {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(names) == 0 {
		return nil, errors.New("no /proc")
	}
	var list []process
	for _, name := range names {
		f, ok := stat(name)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if !ok || err != nil || f[0] == "Z" || f[0] == "X" {
			continue // ended meanwhile
		}
		group, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if err != nil {
			continue
		}
		list = append(list, process{
			pid, group, strings.TrimSpace(strings.ReplaceAll(string(args), "\x00", " ")), stoppedThreads(filepath.Dir(name)),
		})
	}
	return list, nil
}

// stat returns the fields of a stat file from the state on: state, parent,
// group. What stands before, the name, may hold anything.
func stat(name string) ([]string, bool) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, false
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return f, len(f) >= 3
}

// stoppedThreads reports whether every thread of a process is stopped: a
// signal to stop reaches one after the other.
func stoppedThreads(dir string) bool {
	names, err := filepath.Glob(dir + "/task/[0-9]*/stat")
	if err != nil || len(names) == 0 {
		return false
	}
	for _, name := range names {
		if f, ok := stat(name); ok && f[0] != "T" {
			return false
		}
	}
	return true
}

func signalKill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
func signalStop(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }
func signalCont(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }
func signalTerm(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }
