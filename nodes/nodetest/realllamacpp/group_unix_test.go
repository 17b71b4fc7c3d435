//go:build linux || darwin

package realllamacpp_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes/nodetest/realllamacpp"
	"github.com/turbone/jarvis/nodes/nodetest/realollama"
)

// TestServerEndsWithTheGroupOfItsTest: who kills a test with all that it started
// leaves no server behind.
func TestServerEndsWithTheGroupOfItsTest(t *testing.T) {
	realllamacpp.Need(t)
	if os.Getenv("JARVIS_HOLD_SERVER") == "1" {
		s := realllamacpp.Start(t, realllamacpp.Options{Model: realollama.Right(), Name: "right"})
		_, _ = os.Stdout.WriteString("at " + s.URL + "\n")
		select {} // until it is killed
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "JARVIS_HOLD_SERVER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		address, _ = strings.CutPrefix(lines.Text(), "at http://")
		if address == lines.Text() {
			address = ""
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if address == "" {
		t.Fatal("no server was started")
	}
	for deadline := time.Now().Add(time.Minute); ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatalf("the server at %s lives on", address)
		}
		time.Sleep(50 * time.Millisecond) // a poll of another process
	}
}
