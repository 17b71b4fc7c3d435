package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// maxOutput is how much of a restart command's output is kept: enough for the
// last error, small enough for an event.
const maxOutput = 4 << 10

// Command is a [Restarter] that runs a program, without a shell. It is safe for
// concurrent use.
type Command struct {
	// Args are the program and its arguments.
	Args []string
	// Timeout is how long the program may run. 0 means two minutes.
	Timeout time.Duration
	// Node is the node's name, for errors.
	Node string
}

// Restart runs the program and returns the end of its output, at most 4 KiB. It
// blocks until the program ends, not until a server that it left behind ends.
// The error wraps [RestartFailed].
func (c Command) Restart(ctx context.Context) (string, error) {
	if len(c.Args) == 0 {
		return "", c.failed(errors.New("no command given"))
	}
	limit := c.Timeout
	if limit <= 0 {
		limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// A file, not a pipe: a server that the command started in the background
	// inherits it, and would be killed by its first line to a closed pipe.
	out, err := os.CreateTemp("", "jarvis-restart-*.log")
	if err != nil {
		return "", c.failed(err)
	}
	defer func() {
		_ = out.Close()
		_ = os.Remove(out.Name()) // held open by such a server on Windows: then it stays
	}()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("ended after %s: %w", limit, ctx.Err())
	}
	printed := tail(out)
	if err != nil {
		return printed, c.failed(err)
	}
	return printed, nil
}

func (c Command) failed(err error) error {
	e := &Error{Node: c.Node, Action: "restart", Fault: RestartFailed, Err: err}
	if len(c.Args) > 0 {
		e.Remedy = fmt.Sprintf("run %q by hand to see what it says", c.Args)
	}
	return e
}

// tail returns the last bytes of a file.
func tail(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(info.Size(), maxOutput))
	n, _ := f.ReadAt(b, info.Size()-int64(len(b)))
	return string(bytes.TrimSpace(b[:n]))
}
