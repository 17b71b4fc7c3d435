package history_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
)

const (
	appendTo    = "JARVIS_TEST_APPEND_TO"
	appendFirst = "JARVIS_TEST_APPEND_FIRST"
	perProcess  = 25
)

// TestMain lets the test's binary be the other process, too.
func TestMain(m *testing.M) {
	path, is := os.LookupEnv(appendTo)
	if !is {
		os.Exit(m.Run())
	}
	if err := appendMany(path, os.Getenv(appendFirst)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func appendMany(path, start string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first, err := strconv.Atoi(start)
	if err != nil {
		return err
	}
	file := history.NewFile(path, history.Keep(20))
	for number := range perProcess {
		if _, err := file.Append(ctx, historytest.Run(first+number)); err != nil {
			return err
		}
	}
	return nil
}

func TestTwoProcessesLoseNothing(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "history.json")
	work := pool.New().WithContext(t.Context())
	for process := range 2 {
		work.Go(func(ctx context.Context) error {
			command := exec.CommandContext(ctx, binary)
			command.Env = append(os.Environ(), appendTo+"="+path, fmt.Sprintf("%s=%d", appendFirst, process*perProcess))
			if output, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, output)
			}
			return nil
		})
	}
	work.Go(func(context.Context) error { return appendMany(path, strconv.Itoa(2*perProcess)) })
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	file := history.NewFile(path)
	kept, err := file.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	archived, err := file.Archived(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, run := range append(archived, kept...) {
		seen[run.ID]++
	}
	for number := range 3 * perProcess {
		if got := seen[historytest.Run(number).ID]; got != 1 {
			t.Errorf("run %d is there %d times", number, got)
		}
	}
	if len(kept) != 20 {
		t.Errorf("%d runs are kept, want 20", len(kept))
	}
	// Nothing half written is left behind.
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
