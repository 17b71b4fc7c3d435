package nodes_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// helperEnv makes the test's own program play another one: the same on every
// system, and there wherever the test is.
const helperEnv = "JARVIS_NODES_TEST_HELPER"

func TestMain(m *testing.M) {
	if job := os.Getenv(helperEnv); job != "" {
		os.Exit(help(strings.Split(job, "|")))
	}
	os.Exit(m.Run())
}

// help is what the other program does.
func help(job []string) int {
	switch job[0] {
	case "say":
		fmt.Println(job[1])
		fmt.Fprintln(os.Stderr, job[2])
		return len(job[1])
	case "flood":
		fmt.Print(strings.Repeat("x", 1<<20), " the end")
	case "hang":
		time.Sleep(time.Hour)
	case "leave a child":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), helperEnv+"=live on|"+job[1])
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("started")
	case "live on":
		// The server: it talks to what it inherited as long as it lives.
		conn, err := net.Dial("tcp", job[1])
		if err != nil {
			return 1
		}
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			if _, err := fmt.Println("a line of the server's log"); err != nil {
				return 1
			}
			fmt.Fprintln(conn, "alive")
		}
	case "hold":
		leases, err := nodes.NewDirLeases(job[1])
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if _, err := leases.Acquire(context.Background(), "M1", nodes.Holder{Name: "another healer", PID: os.Getpid(), Since: time.Now()}); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // until killed
	}
	return 0
}
