package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/cmd/internal/scripttest"
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
			scripttest.Setup(env)
			env.Setenv("TZ", "UTC")
			// Nobody's real hub.
			env.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
			env.Setenv("JARVIS_BENCHMARK_URL", "http://127.0.0.1:1")
			env.Setenv("HISTORY", filepath.Join(here, "../../history/testdata"))
			env.Setenv("TASKS", filepath.Join(here, "testdata/tasks.yaml"))
			return nil
		},
		Cmds: scripttest.Commands(map[string]scripttest.Command{
			"fake": startFake, "hub": startHub, "asked": asked, "loaded": loaded, "shape": shape, "field": field,
		}),
	})
}

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
		l := nodetest.NewOllama(scripttest.TB{TestScript: ts}, o)
		if name := given["registry"]; name != "" {
			l.Configure(func(c *nodetest.OllamaSettings) { c.Registry = []nodetest.Model{{Name: name}} })
		}
		s = l.Server
	case "lmstudio":
		s = nodetest.NewLMStudio(scripttest.TB{TestScript: ts}, o).Server
	case "openai":
		s = nodetest.NewOpenAI(scripttest.TB{TestScript: ts}, o).Server
	default:
		ts.Fatalf("unknown engine %s", args[1])
	}
	scripttest.Add(ts, args[0], s)
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
	s := scripttest.Fake(ts, args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	for began := time.Now(); time.Since(began) < scripttest.Patience; time.Sleep(5 * time.Millisecond) {
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
	if got := scripttest.Fake(ts, args[0]).Loaded(); !slices.Equal(got, args[1:]) {
		ts.Fatalf("loaded is %q, want only %q", got, args[1])
	}
}
