package jarvisturbo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/arena/suite/suitetest"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// patience is for what must come to pass at last.
const patience = time.Minute

// cluster is a healer at work on two fake servers, with the commands on the
// path, in a folder that has a config and a history.
type cluster struct {
	t   *testing.T
	dir string
	env []string
	// m1 has a champion and candidates; m2 began with no model loaded.
	m1, m2 *nodetest.Server

	// lock guards what the lines printed: the fields by command, and the lines.
	lock    sync.Mutex
	printed map[string]map[string]bool
	ran     map[string]bool
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), printed: map[string]map[string]bool{}, ran: map[string]bool{}}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/jarvis-heal", "../../cmd/jarvis-arena").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.env = append(os.Environ(),
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+c.dir, "XDG_CONFIG_HOME="+c.dir, "AppData="+c.dir, "TZ=UTC",
		"GORACE=atexit_sleep_ms=0")

	tasks, err := suite.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	model := func(name string, share, speed float64) nodetest.Model {
		know := suitetest.Knowing(tasks, share)
		maps.Copy(know, nodetest.Knowledge()) // the healer's questions
		// A load takes its time, so that the node is seen to be away.
		return nodetest.Model{Name: name, Knowledge: know, TokensPerSecond: speed, LoadTime: time.Second / 2}
	}
	// The first is slow: what a busy machine adds to the better one's answers
	// must not make it the slower of the two.
	c.m1 = nodetest.NewOllama(t, nodetest.Options{
		Models: []nodetest.Model{
			model("good:latest", 0.5, 15), model("better:latest", 1, 0), model("weak:latest", 0.2, 0), model("poor:latest", 0.1, 0),
		},
	}).Server
	c.m2 = nodetest.NewLMStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "qwen"}}, Loaded: []string{}}).Server

	past, err := os.ReadFile("../../history/testdata/benchmark_history_104.json")
	if err != nil {
		t.Fatal(err)
	}
	c.write("jarvis_benchmark_history.json", string(past))
	c.write("jarvis.yaml", fmt.Sprintf(`
nodes:
  - {name: M1, engine: ollama, url: %q, model: good}
  - {name: M2, engine: lmstudio, url: %q, model: qwen}
healer:
  interval: 100ms
  retry_after: 20ms
  grace: 0s
  settle: 100ms
  backoff: {initial: 50ms, max: 100ms}
  listen: %s
arena: {node: M1, candidates: [{model: weak}, {model: poor}], tasks_per_cycle: 16, quick_cycles: 2, warmup: 0}
`, c.m1.URL, c.m2.URL, freeAddress(t)))

	heal := exec.Command(filepath.Join(bin, "jarvis-heal"), "run")
	heal.Dir, heal.Env = c.dir, c.env
	if err := heal.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = heal.Process.Kill()
		_ = heal.Wait() // it was killed
	})
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// shell runs a line as Claude Code does, and wants its exit code.
func (c *cluster) shell(line string, code int) (stdout, stderr string) {
	c.t.Helper()
	out, words, got := c.try(line)
	if got != code {
		c.t.Errorf("%s: exit code %d, want %d\n%s%s", line, got, code, out, words)
	}
	return out, words
}

func (c *cluster) try(line string) (stdout, stderr string, code int) {
	var out, words strings.Builder
	cmd := exec.CommandContext(c.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, &out, &words
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		c.t.Errorf("%s: %v", line, err)
	}
	return out.String(), words.String(), code
}

// status asks for the state, as heal-status does, until it is as it must become,
// and wants the exit code to say the same.
func (c *cluster) status(what string, code int, is func(status) bool) status {
	c.t.Helper()
	const line = "jarvis-heal status --json"
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		out, words, got := c.try(line)
		var s struct {
			status
			Started time.Time
		}
		err := json.Unmarshal([]byte(out), &s)
		// What the healer says, not what one look without it shows.
		if err == nil && !s.Started.IsZero() && is(s.status) {
			if got != code {
				c.t.Errorf("%s: exit code %d, want %d", what, got, code)
			}
			c.read("heal-status", line, out, words, &status{})
			return s.status
		}
		if time.Since(began) > patience {
			c.t.Fatalf("it never came to pass that %s; exit code %d\n%s%s", what, got, out, words)
		}
	}
}
