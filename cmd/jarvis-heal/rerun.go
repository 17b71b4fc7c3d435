package main

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

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// rerunEnd is how long a tournament that is interrupted has to give the node its
// model back.
const rerunEnd = 10 * time.Minute

// reruns measures a node again, or holds a tournament on it, with the
// jarvis-arena command: as a process of its own, it can neither take the healer
// with it nor be taken with it.
type reruns struct {
	config  *config.Config
	store   history.HistoryStore
	serving func(context.Context, *nodes.Node) (nodes.Model, bool, error)
	set     *nodes.Set
}

// hold does what an alarm asks for. It blocks until the end.
func (r reruns) hold(ctx context.Context, node string, kind healer.Rerun) error {
	n := r.set.Get(node)
	if n == nil {
		return fmt.Errorf("%s: no such node", node)
	}
	serves, ok, err := r.serving(ctx, n)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: nothing tells what it is to serve; name its model in the config", node)
	}
	args := []string{"--config", r.config.Path, "--node", node}
	switch kind {
	case healer.RerunConfirm:
		args = append(args, serves.Name)
	case healer.RerunTournament:
		runs, err := r.store.Runs(ctx)
		if err != nil {
			return err
		}
		other, ok := lastGood(history.Runs(history.Fold(runs)), n, serves.Name)
		if !ok {
			return fmt.Errorf("%s: no other model was measured there; hold a tournament: jarvis-arena --node %s MODEL", node, node)
		}
		args = append(args, "--quick", other)
	default:
		return fmt.Errorf("%s: unknown rerun %q", node, kind)
	}
	return runArena(ctx, args)
}

// lastGood is the other model that did best when it was last measured on the
// node, by the questions that the serving one was last asked.
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

// runArena runs the command, interrupts it where ctx ends, and returns its last
// words where it fails.
func runArena(ctx context.Context, args []string) error {
	program, err := arenaProgram()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.WaitDelay = rerunEnd
	if runtime.GOOS != "windows" { // which knows no interrupt; the next start gives the model back
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	}
	if err := cmd.Run(); err != nil {
		words := strings.TrimSpace(out.String())
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, words[strings.LastIndexByte(words, '\n')+1:])
	}
	return nil
}

// arenaProgram finds jarvis-arena: beside this program, or on the path.
func arenaProgram() (string, error) {
	name := "jarvis-arena"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), name)
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w; install jarvis-arena beside jarvis-heal, or set arena.on_regression to alert", err)
	}
	return path, err
}
