// Package scripttest is what the scripts that test the commands have in common:
// fakes of servers that a script owns, and words to break them, to wait, and to
// look at exit codes.
package scripttest

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/turbone/jarvis/nodes/nodetest"
)

// Patience is how long a script waits for something.
const Patience = 60 * time.Second

// Command is a word of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Commands are the words that all scripts have:
//
//	exits CODE PROGRAM [ARG]...  runs a program that must end with that code
//	break NAME FAULT [others]    switches a fake's fault on, or only for requests
//	                             that neither list, load nor chat
//	mend NAME                    switches all faults off
//	port NAME                    sets NAME to an address that nobody listens on
//	until FILE PATTERN           waits for a file to hold a line that matches; a
//	                             FILE that begins with http:// is asked for
//
// and the command's own.
func Commands(own map[string]Command) map[string]Command {
	all := map[string]Command{"exits": exits, "break": breakFake, "mend": mendFake, "port": freePort, "until": until}
	maps.Copy(all, own)
	return all
}

// Setup gives a script a home of its own. Call it in [testscript.Params].Setup.
func Setup(env *testscript.Env) {
	env.Setenv("HOME", env.WorkDir+"/home")
	env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/home/.config")
	env.Setenv("AppData", env.WorkDir+"/home")
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Values[fakes{}] = map[string]*nodetest.Server{}
}

type fakes struct{}

// TB lets a script own a fake.
type TB struct{ *testscript.TestScript }

// Helper does nothing.
func (TB) Helper() {}

// Cleanup runs f at the script's end.
func (t TB) Cleanup(f func()) { t.Defer(f) }

// Add names a fake, and sets NAME_URL.
func Add(ts *testscript.TestScript, name string, s *nodetest.Server) {
	ts.Value(fakes{}).(map[string]*nodetest.Server)[name] = s
	ts.Setenv(name+"_URL", s.URL)
}

// Fake is the one with that name.
func Fake(ts *testscript.TestScript, name string) *nodetest.Server {
	s, ok := ts.Value(fakes{}).(map[string]*nodetest.Server)[name]
	if !ok {
		ts.Fatalf("no fake is named %s", name)
	}
	return s
}

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

func breakFake(ts *testscript.TestScript, _ bool, args []string) {
	var d nodetest.Detail
	if len(args) == 3 && args[2] == "others" {
		d.Routes = nodetest.Others
	}
	Fake(ts, args[0]).BreakWith(nodetest.Fault(args[1]), d)
}

func mendFake(ts *testscript.TestScript, _ bool, args []string) { Fake(ts, args[0]).Mend() }

func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE PATTERN")
	}
	pattern := regexp.MustCompile("(?m)" + args[1])
	var seen []byte
	for began := time.Now(); time.Since(began) < Patience; time.Sleep(10 * time.Millisecond) {
		if strings.HasPrefix(args[0], "http://") {
			if resp, err := http.Get(args[0]); err == nil {
				seen, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
		} else {
			seen, _ = os.ReadFile(ts.MkAbs(args[0]))
		}
		if pattern.Match(seen) {
			return
		}
	}
	ts.Fatalf("%s never held %s; it holds:\n%s", args[0], args[1], seen)
}
