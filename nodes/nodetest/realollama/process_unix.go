//go:build linux || darwin

package realollama

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
}

// groupCommand makes a command's end that of its children as well: a go
// command leaves its compilers behind.
func groupCommand(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

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
			list = append(list, process{pid, group, strings.Join(f[3:], " ")})
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
		b, err := os.ReadFile(name)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state parent group …; the name may hold anything.
		_, rest, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
		f := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if !ok || err != nil || len(f) < 3 || f[0] == "Z" || f[0] == "X" {
			continue
		}
		group, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		args, err := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		if err != nil {
			continue
		}
		list = append(list, process{pid, group, strings.TrimSpace(strings.ReplaceAll(string(args), "\x00", " "))})
	}
	return list, nil
}

func signalKill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
func signalStop(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }
func signalCont(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }
