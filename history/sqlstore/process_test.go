package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/historytest"
	"github.com/turbone/jarvis/history/sqlstore"
)

const (
	jobVariable  = "JARVIS_TEST_SQL_JOB"
	pathVariable = "JARVIS_TEST_SQL_PATH"
	fromVariable = "JARVIS_TEST_SQL_FROM"
	perProcess   = 25
	manyRuns     = 2000
)

// TestMain lets the test's binary be the other process, too.
func TestMain(m *testing.M) {
	job, is := os.LookupEnv(jobVariable)
	if !is {
		os.Exit(m.Run())
	}
	if err := work(context.Background(), job, os.Getenv(pathVariable), os.Getenv(fromVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(ctx context.Context, job, path, from string) (err error) {
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if job == "import" {
		fmt.Println("importing")
		_, err := store.Import(ctx, manyContent())
		return err
	}
	first, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	for number := first; job == "endless" || number < first+perProcess; number++ {
		done, err := store.Append(ctx, withResults(number, 20))
		if err != nil {
			return err
		}
		fmt.Println(done.ID) // which the other side may rely on from now on
	}
	return nil
}

func manyContent() history.Content {
	content := history.Content{Champion: &history.Champion{Model: "champion"}}
	for number := range manyRuns {
		run := historytest.Run(number)
		run.ID = "" // the hard case: nothing but its text tells it from others
		content.Runs = append(content.Runs, run)
	}
	return content
}

func process(ctx context.Context, job, path string, from int) (*exec.Cmd, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, binary)
	command.Env = append(os.Environ(), jobVariable+"="+job, pathVariable+"="+path, fromVariable+"="+strconv.Itoa(from))
	return command, nil
}

// Several processes make one new database and write into it at once.
func TestProcessesLoseNothing(t *testing.T) {
	const processes = 4
	path := filepath.Join(t.TempDir(), "history.db")
	group := pool.New().WithContext(t.Context())
	for number := range processes {
		group.Go(func(ctx context.Context) error {
			command, err := process(ctx, "append", path, number*perProcess)
			if err != nil {
				return err
			}
			if output, err := command.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, output)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, id := range ids(t, opened(t, path).Runs) {
		seen[id]++
	}
	for number := range processes * perProcess {
		if got := seen[historytest.Run(number).ID]; got != 1 {
			t.Errorf("run %d is there %d times", number, got)
		}
	}
	whole(t, path)
}

// Writers are killed at random, two at a time: every run that they reported as
// recorded is there, and at most one more of each writer. With JARVIS_FULL=1 there
// are 50 kills.
func TestKilledWriters(t *testing.T) {
	rounds := 3
	if os.Getenv("JARVIS_FULL") == "1" {
		rounds = 25
	}
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "history.db")
	recorded := map[string]bool{}
	for round := range rounds {
		type said struct{ ids []string }
		group := pool.NewWithResults[said]().WithContext(t.Context())
		for writer := range 2 {
			most := 1 + random.IntN(12)
			group.Go(func(ctx context.Context) (said, error) {
				list, err := killedAfter(ctx, "endless", path, (2*round+writer)*1000, most)
				return said{list}, err
			})
		}
		lists, err := group.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range lists {
			for _, id := range list.ids {
				recorded[id] = true
			}
		}
	}
	there := map[string]int{}
	for _, id := range ids(t, opened(t, path).Runs) {
		there[id]++
	}
	for id := range recorded {
		if there[id] != 1 {
			t.Errorf("%s was recorded, and is there %d times", id, there[id])
		}
	}
	if more := len(there) - len(recorded); more > 2*rounds {
		t.Errorf("%d runs more than the %d writers reported", more, 2*rounds)
	}
	whole(t, path)
}

// killedAfter starts a process, reads that many lines of it, and kills it. What
// it had said by then, and until it was dead, is returned.
func killedAfter(ctx context.Context, job, path string, from, lines int) (list []string, err error) {
	command, err := process(ctx, job, path, from)
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
		list = append(list, scanner.Text())
		if len(list) == lines {
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
	return list, nil
}

// An import that is killed leaves nothing of itself; the next one does it all.
func TestAKilledImport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	if _, err := killedAfter(t.Context(), "import", path, 0, 1); err != nil {
		t.Fatal(err)
	}
	store := opened(t, path)
	if got := len(ids(t, store.Runs)); got != 0 && got != manyRuns {
		t.Errorf("%d runs are there, want none or all", got)
	}
	done, err := store.Import(t.Context(), manyContent())
	if err != nil || done.Total != manyRuns {
		t.Fatalf("Import = %v, %v", done, err)
	}
	runs, err := store.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := texts(t, runs), texts(t, manyContent().Runs); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Error("the runs aren't those that were imported, or not in their order")
	}
	whole(t, path)
}

// whole checks a database as SQLite does, and that nothing belongs to no run.
func whole(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for query, want := range map[string]string{
		"PRAGMA integrity_check": "ok",
		"SELECT count(*) FROM tests WHERE run NOT IN (SELECT position FROM runs)": "0",
		"SELECT count(*) FROM parts WHERE run NOT IN (SELECT position FROM runs)": "0",
		"SELECT (SELECT count(*) FROM runs) - (SELECT count(*) FROM run_json)":    "0",
	} {
		var got string
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", query, got, err, want)
		}
	}
}
