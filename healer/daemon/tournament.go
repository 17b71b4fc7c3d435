package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// Tournament is one that the daemon asks for after a regression.
type Tournament struct {
	// Node is the name of the node to hold it on.
	Node string
	// Candidate is the model to measure. If it is the one that the node serves,
	// the run confirms or clears a suspicion.
	Candidate string
	// Quick asks for few questions.
	Quick bool
}

// tournaments turns a rerun that the watchdog asks for into a tournament.
type tournaments struct {
	set     *nodes.Set
	store   history.HistoryStore // nil without a history
	serving func(context.Context, *nodes.Node) (nodes.Model, bool, error)
	hold    func(context.Context, Tournament) error
}

// rerun holds the tournament of an alarm, and blocks until it has ended.
func (t tournaments) rerun(ctx context.Context, node string, kind healer.Rerun) error {
	n := t.set.Get(node)
	if n == nil {
		return fmt.Errorf("%s: no such node", node)
	}
	serves, ok, err := t.serving(ctx, n)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: no model is named that it is to serve", node)
	}
	switch kind {
	case healer.RerunConfirm:
		return t.hold(ctx, Tournament{Node: node, Candidate: serves.Name})
	case healer.RerunTournament:
		var runs []history.Run
		if t.store != nil {
			if runs, err = t.store.Runs(ctx); err != nil {
				return err
			}
		}
		other, ok := lastGood(history.Runs(history.Fold(runs)), n, serves.Name)
		if !ok {
			return fmt.Errorf("%s: no other model was measured there that it could be compared with", node)
		}
		return t.hold(ctx, Tournament{Node: node, Candidate: other, Quick: true})
	}
	return fmt.Errorf("%s: unknown rerun %q", node, kind)
}

// lastGood returns the model other than serves with the best score in its latest
// run on the node, among those measured with the suite of the latest run of
// serves.
func lastGood(runs []history.Run, node *nodes.Node, serves string) (model string, ok bool) {
	suite := ""
	last := map[string]history.Run{}
	for _, run := range runs {
		if run.Node != node.Name {
			continue
		}
		if node.Same(run.Model, serves) {
			suite = run.Suite
			continue
		}
		last[node.Canonical(run.Model)] = run
	}
	best := 0.0
	for _, run := range last {
		if run.Suite == suite && (!ok || run.Score > best || run.Score == best && run.Model < model) {
			model, best, ok = run.Model, run.Score, true
		}
	}
	return model, ok
}

// arenaEnd is how long an interrupted tournament has to give the node its model
// back.
const arenaEnd = 10 * time.Minute

// ArenaCommand runs the jarvis-arena command. As a process of its own, a
// tournament cannot end the daemon, nor be ended with it.
type ArenaCommand struct {
	// Program is the path of the command; "" means jarvis-arena beside this
	// program's file, else in the PATH.
	Program string
	// Args stand before those of a tournament, such as "--config", "jarvis.yaml".
	Args []string
}

// Hold holds a tournament. It blocks until the command has ended, and interrupts
// it when ctx ends. The error of a command that failed holds the last line that
// it printed.
func (c ArenaCommand) Hold(ctx context.Context, t Tournament) error {
	program := c.Program
	if program == "" {
		var err error
		if program, err = arenaProgram(); err != nil {
			return err
		}
	}
	args := append(append([]string(nil), c.Args...), "--node", t.Node)
	if t.Quick {
		args = append(args, "--quick")
	}
	cmd := exec.CommandContext(ctx, program, append(args, t.Candidate)...)
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.WaitDelay = arenaEnd
	if runtime.GOOS != "windows" { // where no interrupt can be sent, the watchdog restores the model after the kill
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	}
	if err := cmd.Run(); err != nil {
		words := strings.TrimSpace(out.String())
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, words[strings.LastIndexByte(words, '\n')+1:])
	}
	return nil
}

// arenaProgram finds jarvis-arena beside this program, or in the PATH.
func arenaProgram() (string, error) {
	name := "jarvis-arena"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(own), name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w; install it beside this program", err)
	}
	return path, err
}
