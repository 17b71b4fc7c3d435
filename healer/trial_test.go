package healer

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/route"
)

// answers makes a list: "." answers as fast as measured, "d" takes twice as long,
// "s" three times, "x" fails.
func answers(text string, measured time.Duration) []Answer {
	var list []Answer
	for _, r := range text {
		switch r {
		case '.':
			list = append(list, Answer{FirstToken: measured})
		case 'd':
			list = append(list, Answer{FirstToken: 2 * measured})
		case 's':
			list = append(list, Answer{FirstToken: 3 * measured})
		case 'x':
			list = append(list, Answer{Failed: true})
		}
	}
	return list
}

// TestTrialVerdict: the rule, by what came so far.
func TestTrialVerdict(t *testing.T) {
	const measured = 400 * time.Millisecond
	for _, c := range []struct {
		name    string
		answers string
		change  func(*Trial)
		want    trialVerdict
		text    string
	}{
		{"nothing yet", "", nil, onTrial, ""},
		{"19 good", strings.Repeat(".", 19), nil, onTrial, ""},
		{"20 good", strings.Repeat(".", 20), nil, trialPassed, "20 answers, 0 failed, the first token after 400 ms"},
		{"two failed", "xx", nil, onTrial, ""},
		{"two of 20 failed", "xx" + strings.Repeat(".", 18), nil, trialPassed, "20 answers, 2 failed, the first token after 400 ms"},
		{"the first three failed", "xxx", nil, trialLost, "3 of 3 answers failed, and 1.0 % in its tournament"},
		{"three of 20 failed", "x.....x............x", nil, trialLost, "3 of 20 answers failed, and 1.0 % in its tournament"},
		{"three of 20 failed, one of ten measured", "x.....x............x", func(t *Trial) { t.ErrorRate = 0.1 }, trialPassed, "20 answers, 3 failed, the first token after 400 ms"},
		{"seven of 20 failed, one of ten measured", "x..x.x..x..x..x....x", func(t *Trial) { t.ErrorRate = 0.1 }, trialLost, "7 of 20 answers failed, and 10.0 % in its tournament"},
		{"nine slow", strings.Repeat("s", 9), nil, onTrial, ""},
		{"ten slow", strings.Repeat("s", 10), nil, trialLost, "the first token takes 1.2 s, and 400 ms is usual"},
		{"ten slow that fail later", "ssssssssss", func(t *Trial) { t.Answers[3].Failed = true }, trialLost, "the first token takes 1.2 s, and 400 ms is usual"},
		{"15 of 20 slow", strings.Repeat("s", 8) + "....." + strings.Repeat("s", 7), nil, trialPassed, "20 answers, 0 failed, the first token after 1.2 s"},
		{"16 of 20 slow", strings.Repeat("s", 8) + "...." + strings.Repeat("s", 8), nil, trialLost, "the first token takes 1.2 s, and 400 ms is usual"},
		{"20 that take just twice as long", strings.Repeat("d", 20), nil, trialPassed, "20 answers, 0 failed, the first token after 800 ms"},
		{"two of 20 failed, half of the others slow: the median is that of the others", "xx" + strings.Repeat("s.", 9), nil, trialPassed, "20 answers, 2 failed, the first token after 1.2 s"},
		{"half slow", strings.Repeat("s.", 10), nil, trialPassed, "20 answers, 0 failed, the first token after 1.2 s"},
		{"ten slow, as slow as before the promotion", strings.Repeat("s", 10), func(t *Trial) { t.Usual = 3 * measured }, onTrial, ""},
		{"ten slow, measured too fast to matter", "", func(t *Trial) {
			t.FirstToken = 40 * time.Millisecond
			t.Answers = answers(strings.Repeat("s", 10), t.FirstToken)
		}, onTrial, ""},
		{"ten slow, nothing measured", strings.Repeat("s", 10), func(t *Trial) { t.FirstToken = 0 }, onTrial, ""},
		{"all of a short trial", "...", func(t *Trial) { t.Watch = 3 }, trialPassed, "3 answers, 0 failed, the first token after 400 ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := Trial{FirstToken: measured, ErrorRate: 0.01, Watch: 20, Answers: answers(c.answers, measured)}
			if c.change != nil {
				c.change(&trial)
			}
			if got, e := trial.verdict(); got != c.want || e.String() != c.text {
				t.Errorf("verdict %d %q, want %d %q", got, e.String(), c.want, c.text)
			}
			if got, e := trial.verdict(); (got == trialPassed) != (e.Found == FoundTrialPassed) {
				t.Errorf("verdict %d is told as %q", got, e.Found)
			}
		})
	}
}

// TestTrialIsFair plays trials of models that are in service what they were in
// their tournament, looked at after every answer, and of some that are not.
func TestTrialIsFair(t *testing.T) {
	const plays = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name                string
		errors, measured    float64 // shares
		late                float64 // share of the answers that take three times as long
		leastLost, mostLost float64 // per cent
	}{
		{"as measured, no errors", 0, 0, 0.1, 0, 0},
		{"as measured, 2 % errors", 0.02, 0.02, 0.1, 0, 1},
		{"as measured, 10 % errors", 0.1, 0.1, 0.1, 0, 2.5},
		{"a third of real questions is long", 0.01, 0.01, 0.33, 0, 0.5},
		{"the median is just twice as long", 0, 0, 0.5, 0, 2},
		{"30 % errors instead of 1 %", 0.3, 0.01, 0.1, 95, 100},
		{"half of the answers fail", 0.5, 0, 0.1, 99, 100},
		{"always slow", 0, 0, 0.95, 99, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost := 0
			for range plays {
				trial := Trial{FirstToken: time.Second, ErrorRate: c.measured, Watch: DefaultWatch}
				verdict := onTrial
				for verdict == onTrial {
					a := Answer{FirstToken: time.Second}
					if random.Float64() < c.late {
						a.FirstToken = 3 * time.Second
					}
					if random.Float64() < c.errors {
						a = Answer{Failed: true}
					}
					trial.Answers = append(trial.Answers, a)
					verdict, _ = trial.verdict()
				}
				lost += one(verdict == trialLost)
			}
			share := 100 * float64(lost) / plays
			t.Logf("lost: %.2f %%", share)
			if share < c.leastLost || share > c.mostLost {
				t.Errorf("lost: %.2f %%, want %v to %v %%", share, c.leastLost, c.mostLost)
			}
		})
	}
}

// TestTrialCountsWhatCameSince leaves out what began before the promotion, and
// what comes after the last answer that is watched.
func TestTrialCountsWhatCameSince(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := Trial{Since: at, Watch: 3, Answers: []Answer{{FirstToken: time.Second}}}
	after := before.with([]route.Outcome{
		{Began: at.Add(-time.Second), Failed: true},
		{Began: at, FirstToken: 2 * time.Second},
		{Began: at.Add(time.Second), Failed: true},
		{Began: at.Add(2 * time.Second), Failed: true},
	})
	want := []Answer{{FirstToken: time.Second}, {FirstToken: 2 * time.Second}, {Failed: true}}
	if diff := cmp.Diff(want, after.Answers); diff != "" || len(before.Answers) != 1 {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	// Two copies that go on from one state do not write into each other's answers.
	before.Answers = slices.Grow(before.Answers, 1)
	good, bad := before.with([]route.Outcome{{Began: at, FirstToken: time.Second}}), before.with([]route.Outcome{{Began: at, Failed: true}})
	if good.Answers[1].Failed || !bad.Answers[1].Failed {
		t.Errorf("the copies share their answers: %v, %v", good.Answers, bad.Answers)
	}
	waits := slices.Repeat([]route.Outcome{{Began: at.Add(-time.Minute), FirstToken: time.Hour, Failed: true}}, 2)
	for i := range 12 {
		waits = append(waits, route.Outcome{Began: at.Add(time.Duration(i-11) * time.Second), FirstToken: time.Duration(i) * time.Second})
	}
	if got := usual(waits, at); got != 6*time.Second {
		t.Errorf("usual: %s", got)
	}
	if got := usual(waits[:11], at); got != 0 {
		t.Errorf("usual of 9: %s", got)
	}
}

// TestTrialEndsWithItsPromotion drops a trial without one.
func TestTrialEndsWithItsPromotion(t *testing.T) {
	n := testNode()
	n.kept.Trial = &Trial{Watch: 20}
	if events := n.dropOld(time.Now()); n.kept.Trial != nil || events != nil {
		t.Errorf("trial %v, told %v", n.kept.Trial, events)
	}
}

// onTrial is a cluster whose M1 serves a model that was just promoted.
func onTrialCluster(t *testing.T, servers int) *simCluster {
	c := newSimCluster(t, slices.Repeat([]bool{false}, servers)...)
	c.state = filepath.Join(t.TempDir(), "state.json")
	c.settled()
	lease := c.lease("M1")
	time.Sleep(2 * time.Second)
	c.servers[0].drop(simOther)
	c.promote(0)
	c.release(lease)
	c.until("M1", EventHealthy, time.Now(), time.Minute)
	return c
}

// answer plays real requests to M1, one every two seconds.
func (c *simCluster) answer(text string) {
	for _, a := range answers(text, 300*time.Millisecond) {
		time.Sleep(2 * time.Second)
		r := c.healer.Route().Begin("M1")
		if a.Failed {
			r.Fail(nodes.ServerFailed, "500")
		} else {
			time.Sleep(a.FirstToken)
			r.Token()
		}
		r.Done()
	}
}

// TestTrialLostIsRolledBack has a promoted model that fails real requests: the
// champion before it is back in a minute, for good, and the file says so.
func TestTrialLostIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		c.answer("..x.x")
		from := time.Now()
		c.answer("x")
		e, took := c.until("M1", EventRollback, from, time.Minute)
		if want := "[PROMOTION] other is worse than in its tournament: 3 of 6 answers failed, and 1.0 % in its tournament: rolling back to good"; e.Text() != want {
			t.Errorf("told %q, want %q", e.Text(), want)
		}
		if took > 5*time.Second {
			t.Errorf("rolled back after %s", took)
		}
		c.until("M1", EventHealed, from, time.Minute)
		time.Sleep(time.Hour)
		c.stop()
		repairs := len(c.servers[0].attempts)
		c.start()
		time.Sleep(time.Hour)
		if got := c.node("M1"); got.Wanted != simModel || got.State != Healthy || c.servers[0].served() != simModel || len(c.servers[0].attempts) != repairs {
			t.Errorf("M1 is %s, wants %s and has %s after %d repairs", got.State, got.Wanted, c.servers[0].served(), len(c.servers[0].attempts))
		}
		list, err := OpenState(c.state).load(t.Context())
		if k := list["M1"]; err != nil || k.Override != nil || k.Trial != nil {
			t.Errorf("on disk: %+v, %v", k, err)
		}
		c.end()
	})
}

// TestTrialCountsNoRequestsFault: requests that no node can answer, and whose
// node passes its own check, cost the promoted model nothing.
func TestTrialCountsNoRequestsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		c.answer("....")
		for range 5 {
			r := c.healer.Route().Begin("M1")
			r.Doubt(nodes.ServerFailed, "image input is not supported")
			r.Done()
			r.Examine()
			time.Sleep(2 * time.Second)
			r.Acquit()
		}
		time.Sleep(time.Minute)
		if got := c.texts("M1", EventRollback, EventSuspect); len(got) != 0 || c.servers[0].served() != simOther {
			t.Errorf("told %q, and %s serves", got, c.servers[0].served())
		}
		c.answer(strings.Repeat(".", 16))
		c.until("M1", EventVerified, time.Now(), 2*time.Minute)
		c.end()
	})
}

// TestTrialPassed has twenty good answers: the promotion stays, and failures
// after them are not its trial's.
func TestTrialPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		from := time.Now()
		c.answer(strings.Repeat(".", 20))
		e, _ := c.until("M1", EventVerified, from, 2*time.Minute)
		if want := "[PROMOTION] other is as good as in its tournament: 20 answers, 0 failed, the first token after 300 ms"; e.Text() != want {
			t.Errorf("told %q, want %q", e.Text(), want)
		}
		c.answer("xxxxxxxxxx")
		time.Sleep(time.Hour)
		if got := c.texts("M1", EventRollback); len(got) != 0 || c.servers[0].served() != simOther {
			t.Errorf("rolled back: %q", got)
		}
		c.end()
	})
}

// TestTrialSurvivesARestart kills the healer between two failures: both count.
func TestTrialSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		c.answer(".xx")
		time.Sleep(2 * pollEvery)
		list, err := OpenState(c.state).load(t.Context()) // without a clean stop
		if err != nil || list["M1"].Trial == nil || len(list["M1"].Trial.Answers) != 3 {
			t.Fatalf("on disk: %+v, %v", list["M1"].Trial, err)
		}
		c.stop()
		c.start()
		c.answer("x")
		from := time.Now()
		c.until("M1", EventHealed, from, 2*time.Minute)
		if got := c.servers[0].served(); got != simModel {
			t.Errorf("%s serves", got)
		}
		c.end()
	})
}

// TestTrialLostByTheLastNode: the model is worse, and nobody else serves: it
// serves on, and goes as soon as another node is back.
func TestTrialLostByTheLastNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		c.servers[1].set(simHostDown, true)
		time.Sleep(3 * time.Minute)
		from := time.Now()
		c.answer("xxxx")
		c.until("M1", EventCritical, from, 2*time.Minute)
		time.Sleep(20 * time.Minute)
		if !c.healer.Route().Serves("M1") || c.servers[0].served() != simOther {
			t.Errorf("the last node was taken down, or its model")
		}
		if got := c.texts("M1", EventCritical); len(got) != 1 {
			t.Errorf("told %d times: %q", len(got), got)
		}
		c.servers[1].set(simHostDown, false)
		c.until("M1", EventHealed, from, 40*time.Minute)
		if got := c.servers[0].served(); got != simModel {
			t.Errorf("%s serves", got)
		}
		c.end()
	})
}

// TestTrialLostWithoutAWayBack: what served before is gone from the disk. The
// promoted model serves on.
func TestTrialLostWithoutAWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onTrialCluster(t, 2)
		c.servers[0].mu.Lock()
		c.servers[0].files = c.servers[0].files[1:]
		c.servers[0].mu.Unlock()
		time.Sleep(2 * time.Minute)
		c.answer("xxxx")
		time.Sleep(10 * time.Minute)
		want := []string{"[PROMOTION] other is worse than in its tournament: 3 of 3 answers failed, and 1.0 % in its tournament; there is no model to go back to"}
		if diff := cmp.Diff(want, c.texts("M1", EventDegraded)); diff != "" || !c.healer.Route().Serves("M1") {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		c.end()
	})
}

// TestPromotedModelThatAnswersWrongIsRolledBack fails the healer's own
// questions: the champion before it comes back, not some older model.
func TestPromotedModelThatAnswersWrongIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.state = filepath.Join(t.TempDir(), "state.json")
		c.want(0, simOther)
		c.servers[0].drop(simOther)
		c.settled()
		lease := c.lease("M1")
		time.Sleep(2 * time.Second)
		c.servers[0].drop(simModel)
		c.servers[0].set(simBad, true)
		err := OpenState(c.state).Promote(t.Context(), c.nodes[0], nodes.Promotion{Model: simPrevious, Previous: simWon, Run: "7-candidate"})
		if err != nil {
			t.Fatal(err)
		}
		from := time.Now()
		c.release(lease)
		c.until("M1", EventHealed, from, 10*time.Minute)
		if got := fmt.Sprint(c.texts("M1", EventRollback)); got != "[rolling back from good to other]" {
			t.Errorf("rollbacks: %s", got)
		}
		if got := c.node("M1"); got.Wanted != simOther || c.servers[0].served() != simOther {
			t.Errorf("M1 wants %s and has %s", got.Wanted, c.servers[0].served())
		}
		if got := c.node("M1").Undone; got != "7-candidate" {
			t.Errorf("undone is the promotion by run %q, want 7-candidate", got)
		}
		c.end()
	})
}
