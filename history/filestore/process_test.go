package filestore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/history/historytest"
)

// What the test's binary does as another process.
const (
	jobVariable   = "JARVIS_TEST_JOB"   // "append" or "rewrite"
	pathVariable  = "JARVIS_TEST_PATH"  // the history
	firstVariable = "JARVIS_TEST_FIRST" // append: the first run's number
	countVariable = "JARVIS_TEST_COUNT" // append: how many runs
	keepVariable  = "JARVIS_TEST_KEEP"  // append: how many are kept
	stopVariable  = "JARVIS_TEST_STOP"  // rewrite: the file whose appearance ends it
)

// TestMain lets the test's binary be the other process, too.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(jobVariable) {
	case "append":
		err = appendMany(os.Getenv(pathVariable), number(firstVariable), number(countVariable), number(keepVariable))
	case "rewrite":
		err = rewrite(os.Getenv(pathVariable), os.Getenv(stopVariable))
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(variable string) int {
	n, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		return 0
	}
	return n
}

// appendMany appends runs, and says each when it is recorded.
func appendMany(path string, first, count, keep int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	file := filestore.Open(path, filestore.Keep(keep))
	for n := first; n < first+count; n++ {
		if _, err := file.Append(ctx, historytest.Run(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

// rewrite does what testdata/rewrite.py does, to the byte of what happens to the
// file: it is emptied, and filled in pieces of 8 KiB.
func rewrite(path, stop string) error {
	for round := 0; ; round++ {
		if _, err := os.Stat(stop); err == nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		var content map[string]any
		if err := json.Unmarshal(text, &content); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		if runs, ok := content["runs"].([]any); ok && round < 50 {
			content["runs"] = append(runs, map[string]any{"timestamp": "2026-03-07T18:16:24", "type": "autotest", "total_tests": round})
		}
		content["updated"] = round
		if text, err = json.MarshalIndent(content, "", "  "); err != nil {
			return err
		}
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		for len(text) > 0 {
			piece := text[:min(8192, len(text))]
			if _, err := file.Write(piece); err != nil {
				return errors.Join(err, file.Close())
			}
			text = text[len(piece):]
			time.Sleep(200 * time.Microsecond)
		}
		if err := file.Close(); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// itself is the test's binary with a job.
func itself(ctx context.Context, job, path string, more ...string) (*exec.Cmd, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, binary)
	command.Env = append(append(os.Environ(), jobVariable+"="+job, pathVariable+"="+path), more...)
	return command, nil
}

func appender(ctx context.Context, path string, first, count, keep int) (*exec.Cmd, error) {
	return itself(ctx, "append", path, fmt.Sprintf("%s=%d", firstVariable, first), fmt.Sprintf("%s=%d", countVariable, count), fmt.Sprintf("%s=%d", keepVariable, keep))
}

func run(command *exec.Cmd) error {
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

func TestTwoProcessesLoseNothing(t *testing.T) {
	const each, keep = 25, 20
	path := filepath.Join(t.TempDir(), "history.json")
	work := pool.New().WithContext(t.Context())
	for process := range 2 {
		work.Go(func(ctx context.Context) error {
			command, err := appender(ctx, path, process*each, each, keep)
			if err != nil {
				return err
			}
			return run(command)
		})
	}
	work.Go(func(ctx context.Context) error {
		file := filestore.Open(path, filestore.Keep(keep))
		for n := 2 * each; n < 3*each; n++ {
			if _, err := file.Append(ctx, historytest.Run(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	if kept := everyRun(t, path, 0, 3*each); kept != keep {
		t.Errorf("%d runs are kept, want %d", kept, keep)
	}
	nothingElse(t, path)
}

// everyRun holds that each run is there just once, in the file or its archive,
// and returns how many runs the file has.
func everyRun(t *testing.T, path string, from, to int) (kept int) {
	t.Helper()
	seen, kept := recorded(t, path)
	for n := from; n < to; n++ {
		if got := seen[historytest.Run(n).ID]; got != 1 {
			t.Errorf("run %d is there %d times", n, got)
		}
	}
	return kept
}

func recorded(t *testing.T, path string) (seen map[string]int, kept int) {
	t.Helper()
	file := filestore.Open(path)
	runs, err := file.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := file.Content(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen = map[string]int{}
	for _, r := range content.Runs {
		seen[r.ID]++
	}
	return seen, len(runs)
}

// nothingElse holds that nothing half written is left behind.
func nothingElse(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), "history.") {
			t.Errorf("%s was left behind", entry.Name())
		}
	}
}

// full is true if the campaigns run in full, not as a sample.
var full = os.Getenv("JARVIS_FULL") == "1"

// Several processes append runs while another one reads the file, changes what it
// read, and writes that over what they wrote meanwhile: truncated first, written in
// pieces, without a lock. It never reads a broken file, and in the end every run of
// the others is there. With JARVIS_FULL=1 eight processes append 200 runs each.
func TestProcessesAndOneThatTakesNoLock(t *testing.T) {
	writers := map[string]func(context.Context, string, string) (*exec.Cmd, error){
		"a stand-in": func(ctx context.Context, path, stop string) (*exec.Cmd, error) {
			return itself(ctx, "rewrite", path, stopVariable+"="+stop)
		},
	}
	if err := exec.Command("python3", "-c", "import json").Run(); err == nil {
		writers = map[string]func(context.Context, string, string) (*exec.Cmd, error){
			"python": func(ctx context.Context, path, stop string) (*exec.Cmd, error) {
				return exec.CommandContext(ctx, "python3", filepath.Join("testdata", "rewrite.py"), path, stop), nil
			},
		}
	}
	processes, each, keep := 3, 25, 60
	if full {
		processes, each, keep = 8, 200, filestore.DefaultKeep
	}
	for name, writer := range writers {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.json")
			stop := filepath.Join(t.TempDir(), "stop")
			rewriter, err := writer(t.Context(), path, stop)
			if err != nil {
				t.Fatal(err)
			}
			other := pool.New().WithErrors()
			other.Go(func() error { return run(rewriter) })
			begun := time.Now()
			work := pool.New().WithContext(t.Context())
			for process := range processes {
				work.Go(func(ctx context.Context) error {
					command, err := appender(ctx, path, process*each, each, keep)
					if err != nil {
						return err
					}
					return run(command)
				})
			}
			failed := work.Wait()
			t.Logf("%d runs in %v", processes*each, time.Since(begun))
			if err := errors.Join(failed, os.WriteFile(stop, nil, 0o600), other.Wait()); err != nil {
				t.Fatal(err)
			}
			// The other program may have added rows after the last append. The next one
			// archives what is too much, at once or, if it is deferred, with the next read.
			store := filestore.Open(path, filestore.Keep(keep))
			if _, err := store.Append(t.Context(), historytest.Run(processes*each)); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Runs(t.Context()); err != nil {
				t.Fatal(err)
			}
			everyRun(t, path, 0, processes*each+1)
			nothingElse(t, path)
			// Every program finds them there, not only this one.
			var raw struct{ Runs []json.RawMessage }
			if err := json.Unmarshal([]byte(contents(t, path)), &raw); err != nil || len(raw.Runs) != keep {
				t.Errorf("the file has %d runs, %v", len(raw.Runs), err)
			}
		})
	}
}

// Writers are killed at random moments, two at a time: every run that they reported
// as recorded is there, and at most one more of each writer. With JARVIS_FULL=1
// there are 50 kills.
func TestKilledWriters(t *testing.T) {
	const writers, keep = 2, 60
	rounds := 3
	if full {
		rounds = 25
	}
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "history.json")
	said := map[int]bool{}
	for round := range rounds {
		work := pool.NewWithResults[[]int]().WithContext(t.Context())
		for writer := range writers {
			first, lines, pause := (round*writers+writer)*1000, 1+random.IntN(10), time.Duration(random.IntN(5000))*time.Microsecond
			work.Go(func(ctx context.Context) ([]int, error) { return killedAfter(ctx, path, first, lines, pause, keep) })
		}
		lists, err := work.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range lists {
			for _, n := range list {
				said[n] = true
			}
		}
		if !json.Valid([]byte(contents(t, path))) {
			t.Fatalf("round %d: the file is broken", round)
		}
	}
	seen, _ := recorded(t, path)
	for n := range said {
		if got := seen[historytest.Run(n).ID]; got != 1 {
			t.Errorf("run %d was recorded, and is there %d times", n, got)
		}
	}
	if more := len(seen) - len(said); more < 0 || more > rounds*writers {
		t.Errorf("%d runs more than the %d writers said", more, rounds*writers)
	}
}

// killedAfter starts a process, reads that many lines of it, and kills it a
// moment later. What it had said by then is returned.
func killedAfter(ctx context.Context, path string, first, lines int, pause time.Duration, keep int) (said []int, err error) {
	command, err := appender(ctx, path, first, 1000, keep)
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaints strings.Builder
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		return nil, err
	}
	scanner := bufio.NewScanner(output)
	for scanner.Scan() {
		n, err := strconv.Atoi(scanner.Text())
		if err != nil {
			return nil, err
		}
		if said = append(said, n); len(said) == lines {
			time.Sleep(pause)
			if err := command.Process.Kill(); err != nil {
				return nil, err
			}
		}
	}
	var killed *exec.ExitError
	if err := errors.Join(scanner.Err(), command.Wait()); err != nil && !errors.As(err, &killed) {
		return nil, err
	}
	if complaints.Len() > 0 {
		return nil, errors.New(complaints.String())
	}
	return said, nil
}
