package arena_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// engine is an engine in memory, whose time is that of the test's bubble. It
// loads one model at a time by itself, so that two loads without an unload show.
type engine struct {
	mu     sync.Mutex
	models []engineModel
	loaded []string
	// down refuses everything, stuck makes restarts fail.
	down, stuck bool
	// forgets is how many chats are answered until the model is gone, 0 never.
	forgets int
	// others are requests of others in flight, of which one ends with each look.
	others int
	// busy is how many chats are refused as busy.
	busy int
	// asked counts the chats, loads the loads by model, restarts the restarts.
	asked    int
	loads    map[string]int
	restarts int
}

type engineModel struct {
	name   string
	know   map[string]string
	pace   time.Duration // of one answer
	size   int64
	digest string
	// broken does not load, mute loads and never answers, jumpy answers at
	// another speed each time.
	broken, mute, jumpy bool
}

// newEngine makes an engine that serves the first model.
func newEngine(models ...engineModel) *engine {
	return &engine{models: models, loaded: []string{models[0].name}, loads: map[string]int{}}
}

func (e *engine) fail(action string, f nodes.Fault) error {
	return &nodes.Error{Node: "M1", Action: action, Fault: f}
}

func (e *engine) model(name string) *engineModel {
	for i := range e.models {
		if e.models[i].name == name {
			return &e.models[i]
		}
	}
	return nil
}

// wait lets time pass; the error is ctx's.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) Probe(ctx context.Context) (nodes.Snapshot, error) {
	if err := wait(ctx, time.Millisecond); err != nil {
		return nodes.Snapshot{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return nodes.Snapshot{}, e.fail("probe", nodes.Refused)
	}
	s := nodes.Snapshot{Version: "1"}
	for _, name := range e.loaded {
		s.Loaded = append(s.Loaded, nodes.Instance{ID: name, Model: name})
	}
	for _, m := range e.models {
		s.OnDisk = append(s.OnDisk, nodes.File{Name: m.name, Size: m.size, Digest: m.digest})
	}
	return s, nil
}

func (e *engine) Chat(ctx context.Context, r nodes.ChatRequest) (nodes.ChatReply, error) {
	e.mu.Lock()
	var m engineModel // as it is now: others may change it meanwhile
	known := e.model(r.Model)
	if known != nil {
		m = *known
	}
	loaded := slices.Contains(e.loaded, r.Model)
	e.asked++
	if e.forgets > 0 {
		if e.forgets--; e.forgets == 0 {
			e.loaded = nil
		}
	}
	down, busy, asked := e.down, e.busy > 0, e.asked
	if busy {
		e.busy--
	}
	e.mu.Unlock()
	switch {
	case down:
		return nodes.ChatReply{}, e.fail("chat", nodes.Refused)
	case busy:
		return nodes.ChatReply{}, e.fail("chat", nodes.Busy)
	case known == nil || !loaded:
		return nodes.ChatReply{}, e.fail("chat", nodes.NotLoaded)
	}
	pace := m.pace
	if m.jumpy {
		pace *= time.Duration(1 + asked%4)
	}
	if m.mute {
		pace = time.Hour
	}
	if err := wait(ctx, pace); err != nil {
		return nodes.ChatReply{}, err
	}
	answer := "I don't know."
	for phrase, text := range m.know {
		if strings.Contains(r.Messages[len(r.Messages)-1].Text, phrase) {
			answer = text
		}
	}
	return nodes.ChatReply{Model: r.Model, Text: answer, Tokens: 10, FirstToken: pace / 4, Duration: pace}, nil
}

func (e *engine) Load(ctx context.Context, m nodes.Model) (nodes.Instance, error) {
	if err := wait(ctx, 2*time.Second); err != nil {
		return nodes.Instance{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.model(m.Name)
	e.loads[m.Name]++
	switch {
	case e.down:
		return nodes.Instance{}, e.fail("load", nodes.Refused)
	case known == nil || known.broken:
		return nodes.Instance{}, e.fail("load", nodes.LoadFailed)
	}
	e.loaded = append(e.loaded, m.Name)
	return nodes.Instance{ID: m.Name, Model: m.Name}, nil
}

func (e *engine) Unload(_ context.Context, instance string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.loaded = slices.DeleteFunc(e.loaded, func(name string) bool { return name == instance })
	return nil
}

func (e *engine) InFlight(context.Context) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.others > 0 {
		e.others--
	}
	return e.others, nil
}

// Restart implements [nodes.Restarter]: the server comes back, with nothing
// loaded.
func (e *engine) Restart(context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.restarts++
	if e.stuck {
		return "no such unit", e.fail("restart", nodes.RestartFailed)
	}
	e.down, e.loaded = false, nil
	return "", nil
}

// set changes the engine while it works.
func (e *engine) set(change func(*engine)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

var (
	_ nodes.Loader       = (*engine)(nil)
	_ nodes.BusyReporter = (*engine)(nil)
	_ nodes.Restarter    = (*engine)(nil)
)
