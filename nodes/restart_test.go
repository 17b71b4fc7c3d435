package nodes_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
)

func TestCommand(t *testing.T) {
	for name, test := range map[string]struct {
		job     string
		args    []string
		timeout time.Duration
		output  string
		err     string
	}{
		"says and succeeds":  {"say||on the side", []string{os.Args[0]}, 0, "on the side", ""},
		"fails":              {"say|no|such unit", []string{os.Args[0]}, 0, "no\nsuch unit", "exit status 2"},
		"hangs":              {"hang", []string{os.Args[0]}, 50 * time.Millisecond, "", "ended after 50ms"},
		"is not there":       {"", []string{"/no/such/program"}, 0, "", "/no/such/program"},
		"no command at all":  {"", nil, 0, "", "no command given"},
		"a shell is no part": {"", []string{os.Args[0] + " && true"}, 0, "", "&& true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(helperEnv, test.job)
			out, err := nodes.Command{Args: test.args, Node: "M1", Timeout: test.timeout}.Restart(t.Context())
			if out = strings.ReplaceAll(out, "\r\n", "\n"); out != test.output {
				t.Errorf("printed %q, want %q", out, test.output)
			}
			if test.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, nodes.RestartFailed) || !strings.Contains(fmt.Sprint(err), test.err) || !strings.HasPrefix(fmt.Sprint(err), "M1: restart: ") {
				t.Errorf("got %v, want %v with %q", err, nodes.RestartFailed, test.err)
			}
		})
	}
}

func TestCommandKeepsTheEndOfMuchOutput(t *testing.T) {
	t.Setenv(helperEnv, "flood")
	out, err := nodes.Command{Args: []string{os.Args[0]}, Node: "M1"}.Restart(t.Context())
	if err != nil || len(out) > 4<<10 || !strings.HasSuffix(out, " the end") {
		t.Errorf("kept %d bytes that end in %.20q, %v", len(out), out[max(0, len(out)-20):], err)
	}
}

func TestCommandIsCancelled(t *testing.T) {
	t.Setenv(helperEnv, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := nodes.Command{Args: []string{os.Args[0]}, Node: "M1"}.Restart(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
}

// A restart command commonly starts the server in the background, with the
// output it inherited. The command's end is awaited, not the server's, and the
// server survives it.
func TestCommandThatLeavesAServerBehind(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv(helperEnv, "leave a child|"+ln.Addr().String())
	out, err := nodes.Command{Args: []string{os.Args[0]}, Node: "M1", Timeout: time.Minute}.Restart(t.Context())
	if err != nil || !strings.Contains(out, "started") {
		t.Fatalf("got %q, %v", out, err)
	}
	if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatalf("the server does not live: %v", err)
	}
	defer server.Close() // ends it
	replies := bufio.NewScanner(server)
	for range 3 {
		if _, err := fmt.Fprintln(server, "write a line of your log"); err != nil {
			t.Fatal(err)
		}
		if !replies.Scan() || replies.Text() != "alive" {
			t.Fatalf("the server died of its own log: %q, %v", replies.Text(), replies.Err())
		}
	}
}
