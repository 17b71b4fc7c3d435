//go:build linux || darwin

// Command ctl starts and ends the server of one test node. It is a program of
// its own, so that a test can hand it to whatever restarts a node without a
// shell, and so that the server does not outlive a test that was killed.
//
//	ctl start FOLDER   ends the node's old server and its runners, stopped ones
//	                   too, starts it on the same port, returns when it answers
//	ctl guard FOLDER   waits for the end of its standard input, which is the
//	                   test's end, and then ends the server and its runners
//
// FOLDER holds node.json (what to start), pid (the server's, which is also its
// process group's) and log.
package main

import (
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
	"syscall"
	"time"
)

// node says how to start a server.
type node struct {
	Program string
	Args    []string
	Env     []string
	Addr    string
	Ready   string // a path that answers with 200 once the server is ready
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ctl:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("want: ctl start|guard FOLDER")
	}
	folder := args[1]
	switch args[0] {
	case "start":
		return start(folder)
	case "guard":
		_, _ = io.Copy(io.Discard, os.Stdin)
		err := end(folder)
		_ = os.RemoveAll(folder) // a killed test cannot do it; a living one tries again
		return err
	}
	return fmt.Errorf("unknown action %q", args[0])
}

func start(folder string) error {
	unlock, err := lock(folder)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(folder, "ended")); err == nil {
		return errors.New("the test is over")
	}
	n, err := read(folder)
	if err != nil {
		return err
	}
	if err := kill(folder); err != nil {
		return err
	}
	if err := waitFree(n.Addr); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.Program, n.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = n.Env, log, log, folder
	// A session of its own: it survives this program, and its runners can be
	// found and ended by their group when it is gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := writePID(folder, cmd.Process.Pid); err != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return waitReady(n.Addr, n.Ready, ended)
}

// waitReady returns when the server answers. The port was free when the
// server was started, and one that finds its port taken ends: so the one that
// answers while this one lives is this one.
func waitReady(addr, ready string, ended <-chan error) error {
	client := &http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		select {
		case err := <-ended:
			return fmt.Errorf("the server ended at once: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
		resp, err := client.Get("http://" + addr + ready)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			continue
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the server ended at once, and another one answers on %s: %w", addr, err)
		default:
			return nil
		}
	}
	return fmt.Errorf("the server does not answer on %s", addr)
}

func end(folder string) error {
	unlock, err := lock(folder)
	if err != nil {
		return err
	}
	defer unlock()
	// A restart that comes too late must not bring it back.
	mark := os.WriteFile(filepath.Join(folder, "ended"), nil, 0o600)
	return errors.Join(mark, kill(folder))
}

// kill ends the whole group that the pid file names, and returns when no
// process of it runs any more.
func kill(folder string) error {
	b, err := os.ReadFile(filepath.Join(folder, "pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	group, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || group <= 1 {
		return fmt.Errorf("pid file holds %q", b)
	}
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return os.Remove(filepath.Join(folder, "pid"))
}

// waitFree returns when the port can be listened on: the kernel closes a
// killed process's sockets a moment later.
func waitFree(addr string) error {
	var err error
	for range 500 {
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			return ln.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func read(folder string) (node, error) {
	var n node
	b, err := os.ReadFile(filepath.Join(folder, "node.json"))
	if err != nil {
		return n, err
	}
	return n, json.Unmarshal(b, &n)
}

func writePID(folder string, pid int) error {
	name := filepath.Join(folder, "pid")
	if err := os.WriteFile(name+".new", []byte(strconv.Itoa(pid)), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// lock lets one start or end of a node happen at a time.
func lock(folder string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
