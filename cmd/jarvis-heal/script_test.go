package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/turbone/jarvis/cmd/internal/scripttest"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"jarvis-heal": main, "jarvis-arena": playArena,
		"serve-quickly": serveQuickly, "proxy-barely": proxyBarely,
	})
}

// playArena stands in for jarvis-arena: it notes how it was called in the file
// that ARENA_CALLS names, and fails where ARENA_FAILS says how.
func playArena() {
	f, err := os.OpenFile(os.Getenv("ARENA_CALLS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, strings.Join(os.Args[1:], " "))
		err = errors.Join(err, f.Close())
	}
	if words := os.Getenv("ARENA_FAILS"); words != "" || err != nil {
		fmt.Fprintln(os.Stderr, words, err)
		os.Exit(1)
	}
}

// TestScripts runs the command as people do: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			scripttest.Setup(env)
			// No engine of the machine that runs the tests.
			env.Setenv("JARVIS_LOOK_AT", "http://127.0.0.1:1")
			return nil
		},
		Cmds: scripttest.Commands(map[string]scripttest.Command{"fake": startFake, "get": get, "telegram": playTelegram, "lease": takeLease}),
	})
}

// startFake NAME lmstudio|ollama|openai [key=KEY] [models=A,B] [loaded=A] starts
// a server and sets NAME_URL.
func startFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fake NAME ENGINE [key=KEY] [models=A,B] [loaded=A]")
	}
	var o nodetest.Options
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "key":
			o.Key = value
		case "models":
			for _, m := range strings.Split(value, ",") {
				o.Models = append(o.Models, nodetest.Model{Name: m})
			}
		case "loaded":
			o.Loaded = strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
			if o.Loaded == nil {
				o.Loaded = []string{}
			}
		default:
			ts.Fatalf("unknown option %s", arg)
		}
	}
	var s *nodetest.Server
	switch args[1] {
	case "lmstudio":
		s = nodetest.NewLMStudio(scripttest.TB{TestScript: ts}, o).Server
	case "ollama":
		s = nodetest.NewOllama(scripttest.TB{TestScript: ts}, o).Server
	case "openai":
		s = nodetest.NewOpenAI(scripttest.TB{TestScript: ts}, o).Server
	default:
		ts.Fatalf("unknown engine %s", args[1])
	}
	scripttest.Add(ts, args[0], s)
}

// takeLease FOLDER NODE WHY takes the lease of a node as a tournament does, until
// the script ends.
func takeLease(ts *testscript.TestScript, _ bool, args []string) {
	leases, err := nodes.NewDirLeases(ts.MkAbs(args[0]))
	ts.Check(err)
	lease, err := leases.Acquire(context.Background(), args[1], nodes.Holder{Name: "jarvis-arena", Why: args[2]})
	ts.Check(err)
	ts.Defer(func() { _ = lease.Release() })
}

// get [-token=TOKEN] URL FILE asks, and writes status and body into a file.
func get(ts *testscript.TestScript, _ bool, args []string) {
	token := ""
	if t, ok := strings.CutPrefix(args[0], "-token="); ok {
		token, args = t, args[1:]
	}
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), fmt.Appendf(nil, "HTTP %d\n%s", resp.StatusCode, body), 0o644))
}

// playTelegram FILE [FAILURE] starts a Telegram that writes what it is sent
// into a file, and sets TELEGRAM to its address. With FAILURE it refuses with
// that text, and repeats the token as a bad server may.
func playTelegram(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(args) > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"ok":false,"error_code":401,"description":"%s %s"}`, args[1], r.URL.Path)
			return
		}
		body, _ := io.ReadAll(r.Body)
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			fmt.Fprintf(f, "%s\n", body)
			_ = f.Close()
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	ts.Defer(s.Close)
	ts.Setenv("TELEGRAM", "telegram://123456:sk-telegram-secret@"+strings.TrimPrefix(s.URL, "http://")+"?chats=@ops")
}
