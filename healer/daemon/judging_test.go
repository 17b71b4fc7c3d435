package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
)

// lessThanEight is a judge: the node whose latest run scores less than 8.
func lessThanEight(runs []history.Run) []healer.Judgement {
	if len(runs) == 0 {
		return nil
	}
	last := runs[len(runs)-1]
	if last.Score >= 8 {
		return nil
	}
	return []healer.Judgement{{Node: last.Node, Alarm: last.ID, Reason: fmt.Sprintf("score %.1f", last.Score)}}
}

// TestHistoryIsJudged: each run is judged within seconds of its recording, an
// unchanged history is not read again, and one that can't be read is told once.
func TestHistoryIsJudged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.json")
	synctest.Test(t, func(t *testing.T) {
		store := filestore.Open(path)
		var words, failures []string
		reads := 0
		w := historyWatch{
			path: path, judge: lessThanEight,
			runs: func(ctx context.Context) ([]history.Run, error) {
				reads++
				if _, err := os.Stat(path + ".spoiled"); err == nil {
					return nil, errors.New("spoiled")
				}
				return store.Runs(ctx)
			},
			result: func(list []healer.Judgement) {
				text := "fine"
				for _, j := range list {
					text = j.Node + " " + j.Reason
				}
				words = append(words, text)
			},
			failed: func(err error) { failures = append(failures, err.Error()) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.run(ctx); close(ended) }()
		for i, score := range []float64{9, 7, 9} {
			time.Sleep(time.Minute)
			if _, err := store.Append(t.Context(), history.Run{ID: fmt.Sprint(i), Node: "M1", Model: "good", Score: score, Time: time.Now()}); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"fine", "fine", "M1 score 7.0", "fine"}, words); diff != "" || reads != 4 {
			t.Errorf("after %d reads (-want +got):\n%s", reads, diff)
		}
		for _, spoiled := range []bool{true, false} {
			if spoiled {
				if err := os.WriteFile(path+".spoiled", nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := store.SetChampion(t.Context(), history.Champion{Model: "good", Score: 9, Since: time.Now()}); err != nil {
					t.Error(err)
				}
			} else if err := os.Remove(path + ".spoiled"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{"spoiled"}, failures); diff != "" || len(words) != 5 {
			t.Errorf("%d words, failures (-want +got):\n%s", len(words), diff)
		}
		cancel()
		<-ended
	})
}

// TestDaemonTellsARegression appends runs while the daemon watches: the alarm is
// in its log, once, and the node degraded.
func TestDaemonTellsARegression(t *testing.T) {
	c := watching(t)
	c.History.Judge = lessThanEight
	store := filestore.Open(c.History.Path)
	record := func(id string, score float64) {
		t.Helper()
		if _, err := store.Append(t.Context(), history.Run{ID: id, Node: "M1", Model: "good", Score: score, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	record("a", 9)
	record("b", 7)
	for range 2 { // the second one knows what the first one told
		degraded := make(chan string, 100)
		c.Healer.Sinks = []healer.Sink{healer.SinkFunc(func(e healer.Event) {
			if e.Type == healer.EventDegraded {
				degraded <- e.Text()
			}
		})}
		d, err := New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if text := <-degraded; text != "degraded: score 7.0" {
			t.Errorf("told %q", text)
		}
		cancel()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Error(err)
		}
	}
	log, err := os.ReadFile(c.Log.Path)
	if err != nil || strings.Count(string(log), "M1: [REGRESSION] score 7.0") != 1 {
		t.Errorf("log: %s, %v", log, err)
	}
}

// TestEveryReadWithoutAPath: a store whose file is not known is read each time.
func TestEveryReadWithoutAPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		w := historyWatch{
			judge:  lessThanEight,
			runs:   func(context.Context) ([]history.Run, error) { reads++; return nil, nil },
			result: func([]healer.Judgement) {},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*historyEvery-1)
		defer cancel()
		w.run(ctx)
		if reads != 10 {
			t.Errorf("%d reads, want 10", reads)
		}
	})
}
