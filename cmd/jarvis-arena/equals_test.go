package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/scoring"
)

// TestTheCommandCrownsWhoIsBetter holds tournaments with the command, against
// fakes whose answers are right by chance, with five own runs of the champion: of
// equals that are right in 95 % at most 7 % are promoted, of candidates that are
// right in 85 % and better by a point at least 95 %. With JARVIS_FULL=1 it holds
// 200 and 60 of them, else three of each.
func TestTheCommandCrownsWhoIsBetter(t *testing.T) {
	numbers := []int{3, 3}
	if os.Getenv("JARVIS_FULL") == "1" {
		numbers = []int{200, 60}
	}
	for i, contest := range []struct {
		name                string
		champion, candidate float64
		least, most         float64 // shares of promotions
	}{
		{"equals, 95 % right", 0.95, 0.95, 0, 0.07},
		{"better by a point, 85 % right", 0.85 - 1./6, 0.85, 0.95, 1},
	} {
		t.Run(contest.name, func(t *testing.T) {
			number := numbers[i]
			c := newChance(t, contest.champion, contest.candidate)
			var promoted, failed int
			var mu sync.Mutex
			p := pool.New().WithMaxGoroutines(4)
			for k := range number {
				p.Go(func() {
					verdict := c.tournament(uint64(k))
					mu.Lock()
					defer mu.Unlock()
					switch verdict {
					case arena.VerdictPromoted:
						promoted++
					case arena.VerdictFailed:
						failed++
					}
				})
			}
			p.Wait()
			t.Logf("%d of %d candidates were promoted, %d tournaments failed", promoted, number, failed)
			// A few tell only whether nearly all or nearly none are promoted.
			least, most := contest.least*float64(number), contest.most*float64(number)
			if number < 100 && contest.least == 0 {
				most = max(most, float64(number)-1)
			}
			if least > 0 && number < 10 {
				least = 1
			}
			if float64(promoted) < least || float64(promoted) > most || failed > 0 {
				t.Errorf("want %.0f to %.0f promoted, none failed", least, most)
			}
		})
	}
}

// chance is a kind of tournament whose models are right by chance.
type chance struct {
	t                   *testing.T
	champion, candidate float64
	tasks               string
	// like is a run of the champion as the command records it.
	like history.Run
}

const (
	chanceTasks     = 80
	chanceChampion  = "old:latest"
	chanceCandidate = "new:latest"
)

func newChance(t *testing.T, champion, candidate float64) *chance {
	c := &chance{t: t, champion: champion, candidate: candidate, tasks: filepath.Join(t.TempDir(), "tasks.yaml")}
	var text strings.Builder
	for i := range chanceTasks {
		fmt.Fprintf(&text, "- {id: q%d, domain: d, prompt: Who owns locker K%03d of the hall?, expect: Zor%02dmund}\n", i, i, i%23)
	}
	if err := os.WriteFile(c.tasks, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// The champion is measured once, for the conditions of its runs.
	at := c.place(rand.New(rand.NewPCG(1, 1)))
	if out, err := exec.Command("jarvis-arena", "--config", at.config, "--quick", chanceChampion).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runs, err := at.store().Runs(t.Context())
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	c.like = runs[0]
	return c
}

// venue is a server with a config and a history of its own.
type venue struct{ config, history string }

func (v venue) store() *filestore.Store { return filestore.Open(v.history) }

// place starts a fake whose answers are right by chance.
func (c *chance) place(random *rand.Rand) venue {
	know := map[string]string{}
	for i := range chanceTasks {
		know[fmt.Sprintf("K%03d", i)] = fmt.Sprintf("Zor%02dmund", i%23)
	}
	fake := nodetest.NewOllama(c.t, nodetest.Options{
		Models: []nodetest.Model{{Name: chanceChampion, Knowledge: know}, {Name: chanceCandidate, Knowledge: know}}, Forget: true,
	})
	address, err := url.Parse(fake.URL)
	if err != nil {
		c.t.Error(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(address)
	proxy.FlushInterval = -1
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && bytes.Contains(body, []byte("Who owns locker K")) {
			right := c.champion
			if bytes.Contains(body, []byte(chanceCandidate)) {
				right = c.candidate
			}
			mu.Lock()
			wrong := random.Float64() >= right
			mu.Unlock()
			if wrong {
				body = bytes.Replace(body, []byte("locker K"), []byte("locker X"), 1)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	c.t.Cleanup(server.Close)
	dir := c.t.TempDir()
	v := venue{filepath.Join(dir, "jarvis.yaml"), filepath.Join(dir, "history.json")}
	text := fmt.Sprintf(`
nodes:
  - {name: M1, engine: ollama, url: %q, model: %q}
history: {path: %q}
healer: {state: %q, listen: off}
arena: {suite: %q, warmup: 1}
`, server.URL, chanceChampion, v.history, filepath.Join(dir, "state.json"), c.tasks)
	if err := os.WriteFile(v.config, []byte(text), 0o600); err != nil {
		c.t.Error(err)
	}
	return v
}

// tournament holds one tournament after five own runs of the champion.
func (c *chance) tournament(seed uint64) arena.Verdict {
	random := rand.New(rand.NewPCG(seed, 2))
	v := c.place(random)
	for i := range 5 {
		run := c.like
		run.ID, run.Session = fmt.Sprintf("earlier-%d", i), ""
		run.Time = run.Time.Add(time.Duration(i-10) * time.Hour)
		run.Results = nil
		for cycle := range 5 {
			for _, t := range c.like.Results {
				if t.Cycle > 0 {
					continue
				}
				t.Cycle, t.Passed, t.Outcome = cycle, random.Float64() < c.champion, scoring.Answered
				run.Results = append(run.Results, t)
			}
		}
		sample := scoring.Measure(run.Results)
		run.Tests, run.PassRate = sample.Tests, 100*float64(sample.Passed)/float64(sample.Tests)
		run.Score = scoring.Default().Score(sample).Composite
		run.ByNode, run.ByDomain = nil, nil
		if _, err := v.store().Append(c.t.Context(), run); err != nil {
			c.t.Error(err)
		}
	}
	var stderr bytes.Buffer
	cmd := exec.Command("jarvis-arena", "--config", v.config, "--json", chanceCandidate)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var r arena.Result
	if err != nil || json.Unmarshal(out, &r) != nil {
		c.t.Errorf("tournament %d: %v\n%s%s", seed, err, out, stderr.String())
		return arena.VerdictFailed
	}
	if r.Champion.Tests > 80 || len(r.Unused) > 0 {
		c.t.Errorf("tournament %d: the champion's runs did not count: %d tests, %v", seed, r.Champion.Tests, r.Unused)
	}
	return r.Verdict
}
