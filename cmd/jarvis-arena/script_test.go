package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jarvis-arena": main})
}

// TestScripts runs the command as people do: see testdata/script.
func TestScripts(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		// UPDATE_SCRIPTS=1 go test writes what is printed into the scripts.
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/home/.config")
			env.Setenv("AppData", env.WorkDir+"/home")
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("TZ", "UTC")
			// Nobody's real hub.
			env.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
			env.Setenv("JARVIS_BENCHMARK_URL", "http://127.0.0.1:1")
			env.Setenv("HISTORY", filepath.Join(here, "../../history/testdata"))
			env.Setenv("TASKS", filepath.Join(here, "testdata/tasks.yaml"))
			env.Values[fakes{}] = map[string]*nodetest.Server{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "fake": startFake, "break": breakFake, "mend": mendFake, "hub": startHub,
			"asked": asked, "loaded": loaded, "until": until, "shape": shape, "field": field,
		},
	})
}

// exits CODE PROGRAM [ARG]... runs a program that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG]...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

type fakes struct{}

// scriptTB lets a script own a fake.
type scriptTB struct{ ts *testscript.TestScript }

func (scriptTB) Helper()                             {}
func (s scriptTB) Cleanup(f func())                  { s.ts.Defer(f) }
func (s scriptTB) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }

// startFake NAME ollama|lmstudio|openai [key=KEY] [suite=FILE] [speed=TOKENS]
// [models=A@70,B@95] [registry=C] starts a server with the first model loaded,
// and sets NAME_URL. A model knows that percentage of the suite's tasks, or is
// @broken and never loads; the one of the registry can be pulled.
func startFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fake NAME ENGINE [key=KEY] [suite=FILE] [speed=TOKENS] [models=A@70,B@95] [registry=C]")
	}
	given := map[string]string{}
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		if !slices.Contains([]string{"key", "suite", "speed", "models", "registry"}, name) {
			ts.Fatalf("unknown option %s", arg)
		}
		given[name] = value
	}
	var tasks []suite.Task
	if file := given["suite"]; file != "" {
		s, err := suite.Read(ts.MkAbs(file))
		ts.Check(err)
		tasks = s.Tasks()
	}
	o := nodetest.Options{Key: given["key"]}
	for _, text := range strings.FieldsFunc(given["models"], func(r rune) bool { return r == ',' }) {
		name, percent, known := strings.Cut(text, "@")
		m := nodetest.Model{Name: name}
		switch {
		case percent == "broken":
			m.Broken = true
		case known:
			share, err := strconv.Atoi(percent)
			ts.Check(err)
			m.Knowledge = knowing(tasks, share)
		}
		if given["speed"] != "" {
			speed, err := strconv.ParseFloat(given["speed"], 64)
			ts.Check(err)
			m.TokensPerSecond = speed
		}
		o.Models = append(o.Models, m)
	}
	var s *nodetest.Server
	switch args[1] {
	case "ollama":
		l := nodetest.NewOllama(scriptTB{ts}, o)
		if name := given["registry"]; name != "" {
			l.Configure(func(c *nodetest.OllamaSettings) { c.Registry = []nodetest.Model{{Name: name}} })
		}
		s = l.Server
	case "lmstudio":
		s = nodetest.NewLMStudio(scriptTB{ts}, o).Server
	case "openai":
		s = nodetest.NewOpenAI(scriptTB{ts}, o).Server
	default:
		ts.Fatalf("unknown engine %s", args[1])
	}
	ts.Value(fakes{}).(map[string]*nodetest.Server)[args[0]] = s
	ts.Setenv(args[0]+"_URL", s.URL)
}

// knowing is what a model knows that answers a percentage of the tasks, spread
// over them evenly.
func knowing(tasks []suite.Task, percent int) map[string]string {
	know := map[string]string{}
	for i, task := range tasks {
		know[task.Prompt] = "banana"
		if i*37%100 < percent {
			know[task.Prompt] = task.Right[0]
		}
	}
	return know
}

func fakeNamed(ts *testscript.TestScript, name string) *nodetest.Server {
	s, ok := ts.Value(fakes{}).(map[string]*nodetest.Server)[name]
	if !ok {
		ts.Fatalf("no fake is named %s", name)
	}
	return s
}

// breakFake NAME FAULT [others] switches a fault on, or only for requests that
// neither list, load nor chat; mendFake NAME switches all off.
func breakFake(ts *testscript.TestScript, _ bool, args []string) {
	var d nodetest.Detail
	if len(args) == 3 && args[2] == "others" {
		d.Routes = nodetest.Others
	}
	fakeNamed(ts, args[0]).BreakWith(nodetest.Fault(args[1]), d)
}

func mendFake(ts *testscript.TestScript, _ bool, args []string) {
	fakeNamed(ts, args[0]).Mend()
}

const patience = 60 * time.Second

// asked NAME N [others] waits until a fake was asked N questions, or for N other
// things.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: asked NAME N [others]")
	}
	routes := nodetest.Chats
	if len(args) == 3 && args[2] == "others" {
		routes = nodetest.Others
	}
	s := fakeNamed(ts, args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		if len(s.CallsTo(routes)) >= want {
			return
		}
	}
	ts.Fatalf("%s was asked %d times, want %d", args[0], len(s.CallsTo(routes)), want)
}

// loaded NAME MODEL checks that a model, and no other, is in memory.
func loaded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: loaded NAME MODEL")
	}
	if got := fakeNamed(ts, args[0]).Loaded(); !slices.Equal(got, args[1:]) {
		ts.Fatalf("loaded is %q, want only %q", got, args[1])
	}
}

// until FILE PATTERN waits for a file to hold a line that matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE PATTERN")
	}
	pattern := regexp.MustCompile("(?m)" + args[1])
	var seen []byte
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		seen, _ = os.ReadFile(ts.MkAbs(args[0]))
		if pattern.Match(seen) {
			return
		}
	}
	ts.Fatalf("%s never held %s; it holds:\n%s", args[0], args[1], seen)
}
