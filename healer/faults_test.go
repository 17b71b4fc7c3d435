package healer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/openai"
)

// engine is one engine's fake with the backend for it.
type engine struct {
	name    string
	canLoad bool
	start   func(*testing.T, nodetest.Options) (*nodetest.Server, nodes.Backend)
}

func engines() []engine {
	return []engine{
		{"lmstudio", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
			s := nodetest.NewLMStudio(t, o)
			return s.Server, must[*lmstudio.Backend](t)(lmstudio.New(nodes.Connection{Node: "M1", URL: s.URL, Transport: o.Network.Transport()}))
		}},
		{"ollama", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
			s := nodetest.NewOllama(t, o)
			return s.Server, must[*ollama.Backend](t)(ollama.New(nodes.Connection{Node: "M1", URL: s.URL, Transport: o.Network.Transport()}))
		}},
		{"llamacpp router", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
			s := nodetest.NewLlamaCPPRouter(t, o)
			return s.Server, must[*llamacpp.Backend](t)(llamacpp.New(nodes.Connection{Node: "M1", URL: s.URL, Transport: o.Network.Transport()}))
		}},
		{"llamacpp", false, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
			s := nodetest.NewLlamaCPP(t, o)
			return s.Server, must[*llamacpp.Backend](t)(llamacpp.New(nodes.Connection{Node: "M1", URL: s.URL, Transport: o.Network.Transport()}))
		}},
		{"openai", false, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
			s := nodetest.NewOpenAI(t, o)
			return s.Server, must[*openai.Backend](t)(openai.New(nodes.Connection{Node: "M1", URL: s.URL, Transport: o.Network.Transport()}))
		}},
	}
}

// virtually plays a test beside others, in virtual time.
func virtually(t *testing.T, play func(*testing.T)) {
	t.Parallel()
	synctest.Test(t, play)
}

// faultPolicy is fast, since a hundred faults are played.
func faultPolicy() healer.Policy {
	p := quickPolicy()
	p.Interval = 100 * time.Millisecond
	p.RetryAfter = 30 * time.Millisecond
	p.Grace = 50 * time.Millisecond
	p.CanaryEvery = 100 * time.Millisecond
	p.CanaryTimeout = 700 * time.Millisecond
	p.QuestionTimeout = 1500 * time.Millisecond
	p.QuestionsEvery = 200 * time.Millisecond
	p.BackoffInitial = 20 * time.Millisecond
	p.BackoffMax = 200 * time.Millisecond
	p.Settle = 50 * time.Millisecond
	p.RestartWait = time.Second
	return p
}

// restartServer stands for the node's restart command.
type restartServer struct{ server *nodetest.Server }

func (r restartServer) Restart(context.Context) (string, error) {
	r.server.Restart()
	return "", nil
}

// broken is a node of one engine, M1, with a second one beside it that stays
// well, so that M1 is never the last.
type broken struct {
	*cluster
	server *nodetest.Server
}

func newBroken(t *testing.T, e engine, o nodetest.Options, canRestart bool) *broken {
	t.Helper()
	o.Network = &nodetest.Network{}
	t.Cleanup(o.Network.Close)
	server, backend := e.start(t, o)
	m1 := nodes.Node{
		Name: "M1", Engine: e.name, Backend: backend, Wanted: nodes.Model{Name: "good"},
		ProbeTimeout: time.Second, LoadTimeout: 1500 * time.Millisecond, UnloadTimeout: 500 * time.Millisecond,
	}
	if canRestart {
		m1.Restarter = restartServer{server}
	}
	well := nodetest.NewOpenAI(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}, Network: o.Network})
	m2 := nodes.Node{
		Name: "M2", Engine: "openai", Wanted: nodes.Model{Name: "good"}, ProbeTimeout: 5 * time.Second,
		Backend: must[*openai.Backend](t)(openai.New(nodes.Connection{Node: "M2", URL: well.URL, Transport: o.Network.Transport()})),
	}
	b := &broken{newCluster(t, must[*nodes.Node](t)(nodes.New(m1)), must[*nodes.Node](t)(nodes.New(m2))), server}
	b.policy = faultPolicy()
	return b
}

// told waits for an event of M1 whose text holds a part.
func (b *broken) told(t healer.EventType, part string) {
	b.t.Helper()
	b.until(fmt.Sprintf("M1 is told %s: …%s…", t, part), generous, func() bool {
		return slices.ContainsFunc(b.texts("M1", t), func(s string) bool { return strings.Contains(s, part) })
	})
}

// breaks makes a fault and waits until M1 is told it. A canary under way may
// load the model and so end the fault unseen: it is made again then.
func (b *broken) breaks(do func(), t healer.EventType, part string) {
	b.t.Helper()
	do()
	b.until(fmt.Sprintf("M1 is told %s: …%s…", t, part), generous, func() bool {
		told := slices.ContainsFunc(b.texts("M1", t), func(s string) bool { return strings.Contains(s, part) })
		if !told && b.status("M1").State == healer.Healthy && slices.Contains(b.server.Loaded(), "good") {
			do()
		}
		return told
	})
}

// story is a fault and how it must end.
type story struct {
	name  string
	loads bool // needs an engine that loads
	do    func(*broken)
	event healer.EventType // what it is told as
	text  string
	// orMisconfigured: an engine that is told by the answer that is broken is
	// taken for another one.
	orMisconfigured bool
	// mend ends the fault where no repair can; nil where the healer must.
	mend func(*broken)
	// unseen: a canary may end the fault before it is seen.
	unseen bool
	// stays: the node must not leave the route.
	stays bool
}

func on(f nodetest.Fault, d nodetest.Detail) func(*broken) {
	return func(b *broken) { b.server.BreakWith(f, d) }
}

func off(f nodetest.Fault) func(*broken) { return func(b *broken) { b.server.Mend(f) } }

func stories() []story {
	chats := nodetest.Detail{Routes: nodetest.Chats}
	lists := nodetest.Detail{Routes: nodetest.Lists}
	none := nodetest.Detail{}
	return []story{
		{name: "down", do: on(nodetest.Down, none), event: healer.EventDraining, text: "server down"},
		{name: "hang before headers", do: on(nodetest.Hang, none), event: healer.EventDraining, text: "server hung"},
		{name: "hang in mid-answer", do: on(nodetest.HangMidAnswer, none), event: healer.EventDraining, text: "wedged"},
		{name: "slow", do: on(nodetest.Slow, nodetest.Detail{Delay: 20 * time.Millisecond}), stays: true},
		{name: "500", do: on(nodetest.Status500, none), event: healer.EventDraining, text: "erroring"},
		{name: "500 to chats alone", do: on(nodetest.Status500, chats), event: healer.EventDraining, text: "erroring"},
		{name: "not JSON", do: on(nodetest.NotJSON, none), event: healer.EventOffline, mend: off(nodetest.NotJSON)},
		{name: "lists cut off", do: on(nodetest.CutOff, lists), event: healer.EventOffline, text: "erroring", mend: off(nodetest.CutOff)},
		{name: "answers cut off", do: on(nodetest.CutOff, chats), event: healer.EventOffline, text: "erroring", mend: off(nodetest.CutOff)},
		{name: "401", do: on(nodetest.Unauthorized, none), event: healer.EventMisconfigured, text: "key", mend: off(nodetest.Unauthorized)},
		{name: "429", do: on(nodetest.TooManyRequests, nodetest.Detail{Delay: time.Second}), event: healer.EventBusy, stays: true},
		{name: "model dropped", loads: true, unseen: true, do: func(b *broken) { b.server.Drop() }, event: healer.EventDraining, text: "model missing"},
		{name: "other model loaded", loads: true, unseen: true, do: func(b *broken) { b.server.Replace("other") }, event: healer.EventDraining, text: "drift"},
		{name: "load fails once", loads: true, unseen: true, do: func(b *broken) {
			b.server.BreakWith(nodetest.LoadFails, nodetest.Detail{Times: 1})
			b.server.Drop()
		}, event: healer.EventRepair, text: "repair failed"},
		{name: "load hangs", loads: true, unseen: true, do: func(b *broken) {
			b.server.Break(nodetest.LoadHangs)
			b.server.Drop()
		}, event: healer.EventRepair, text: "repair failed"},
		{name: "wedged runner, healthy lists", do: on(nodetest.Wedged, none), event: healer.EventDraining, text: "wedged"},
		{name: "wrong answers", do: on(nodetest.WrongAnswers, none), event: healer.EventOffline, text: "bad model", mend: off(nodetest.WrongAnswers)},
		{name: "memory not freed", loads: true, unseen: true, do: func(b *broken) {
			b.server.Break(nodetest.MemoryNotFreed)
			b.server.Replace("other")
		}, event: healer.EventRepair, text: "repair failed"},
		{name: "error frame in a 200 stream", do: on(nodetest.ErrorFrame, none), event: healer.EventOffline, mend: off(nodetest.ErrorFrame)},
		{name: "empty 200 stream", do: on(nodetest.EmptyStream, none), event: healer.EventOffline, text: "erroring", mend: off(nodetest.EmptyStream)},
		{name: "stream without its end mark", do: on(nodetest.NoEndMark, none), event: healer.EventOffline, text: "erroring", mend: off(nodetest.NoEndMark)},
		{name: "another model answers", do: on(nodetest.AnotherModelAnswers, none), event: healer.EventOffline, text: "drift", mend: off(nodetest.AnotherModelAnswers)},
		{name: "unload only acknowledged", loads: true, unseen: true, do: func(b *broken) {
			b.server.Break(nodetest.UnloadOnlyAcknowledged)
			b.server.Replace("other")
		}, event: healer.EventRepair, text: "repair failed: unload stuck"},
		{name: "runner crashed", do: on(nodetest.Crashed, none), event: healer.EventDraining},
		{name: "an answer of endless size", do: on(nodetest.Huge, nodetest.Detail{Routes: nodetest.Lists}), event: healer.EventDraining, orMisconfigured: true, mend: off(nodetest.Huge)},
		{name: "an answer of a byte a minute", do: on(nodetest.Drip, lists), event: healer.EventOffline, text: "server hung", mend: off(nodetest.Drip)},
		{name: "a redirect loop", do: on(nodetest.RedirectLoop, lists), event: healer.EventOffline, orMisconfigured: true, mend: off(nodetest.RedirectLoop)},
	}
}

// TestEveryFaultOnEveryEngine plays each fault on a fake of each engine, with
// a restart command: it is healed, or, where no repair can help, told as what
// it is and taken back when it ends. The node beside it serves throughout.
func TestEveryFaultOnEveryEngine(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			for _, s := range stories() {
				if s.loads && !e.canLoad {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					virtually(t, func(t *testing.T) {
						b := newBroken(t, e, nodetest.Options{Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}}, true)
						b.start()
						b.mark()
						b.tell(s)
					})
				})
			}
		})
	}
}

// tell makes a story's fault and follows it to its end.
func (b *broken) tell(s story) {
	b.t.Helper()
	switch {
	case s.unseen:
		b.breaks(func() { s.do(b) }, s.event, s.text)
	case s.orMisconfigured:
		s.do(b)
		b.until("M1 is out of the route", generous, func() bool {
			return len(b.texts("M1", s.event, healer.EventMisconfigured)) > 0
		})
	default:
		s.do(b)
		if s.event != "" {
			b.told(s.event, s.text)
		}
	}
	if s.stays {
		// Long enough for several checks of every kind.
		from := b.status("M1").LastCheck
		b.until("M1 was checked for a while", generous, func() bool {
			return b.status("M1").LastCheck.Sub(from) > 10*b.policy.Interval || s.event == healer.EventBusy
		})
		if left := b.texts("M1", healer.EventDraining, healer.EventOffline, healer.EventRepair); len(left) > 0 {
			b.t.Errorf("it left the route: %q", left)
		}
		return
	}
	if s.mend != nil {
		s.mend(b)
	}
	b.wait("M1", healer.EventHealed, generous)
	b.until("M1 is healthy again", generous, func() bool { return b.status("M1").State == healer.Healthy })
	if left := b.texts("M2", healer.EventDraining, healer.EventOffline); len(left) > 0 {
		b.t.Errorf("the node beside it left the route: %q", left)
	}
}

// TestSecondInstanceOnEveryEngine has a model loaded twice, where an engine
// can: the second instance goes, and the node stays in the route.
func TestSecondInstanceOnEveryEngine(t *testing.T) {
	for _, e := range engines()[:2] {
		t.Run(e.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				b := newBroken(t, e, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}}, false)
				b.start()
				b.mark()
				b.server.AddInstance("good")
				b.told(healer.EventRepair, "2 instances")
				b.until("one instance is left", generous, func() bool { return len(b.server.Loaded()) == 1 })
				if left := b.texts("M1", healer.EventDraining); len(left) > 0 {
					b.t.Errorf("it left the route: %q", left)
				}
			})
		})
	}
}
