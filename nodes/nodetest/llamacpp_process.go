package nodetest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// llamaState is the state of a model's process.
type llamaState struct {
	ready   time.Time // when its load is over
	ends    time.Time // when its unload is over, if it is idle; zero: not unloading
	killed  time.Time // when its unload is over in any case
	fails   bool      // its load ends with an exit code
	used    time.Time
	working int // requests that have a slot
	slots   int // that were ever used
	asleep  bool
	port    int
	life    context.Context // ends with the process
	kill    context.CancelFunc
}

// noConnection is a router's answer for a process that has closed its port.
var noConnection = &refusal{http.StatusInternalServerError, "proxy error: Could not establish connection"}

// llamaPoll is the pause between two looks at a state that changes by time.
const llamaPoll = 2 * time.Millisecond

// state returns the state of a process. l.mu is held.
func (l *LlamaCPP) state(i *instance) *llamaState {
	s, ok := l.states[i]
	if !ok {
		l.ports++
		s = &llamaState{used: time.Now(), port: 40000 + l.ports}
		s.life, s.kill = context.WithCancel(context.Background()) // ended by end
		l.states[i] = s
	}
	return s
}

// Loaded returns the IDs of the models in memory, those that sleep included.
func (l *LlamaCPP) Loaded() []string {
	l.mu.Lock()
	l.settle()
	l.mu.Unlock()
	return l.Server.Loaded()
}

// Sleep puts the models in memory to sleep, as an idle server does.
func (l *LlamaCPP) Sleep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.instances {
		l.state(i).asleep = true
	}
}

// Asleep reports whether all models in memory sleep.
func (l *LlamaCPP) Asleep() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	return len(l.instances) > 0 && !slices.ContainsFunc(l.instances, func(i *instance) bool { return !l.state(i).asleep })
}

// settle completes the loads and unloads whose time is over, and lets idle models
// fall asleep. A load that hangs is never complete. l.mu is held.
func (l *LlamaCPP) settle() {
	now := time.Now()
	_, stuck := l.faults[LoadHangs]
	_, hangs := l.faults[Wedged]
	for _, i := range slices.Clone(l.instances) {
		s := l.state(i)
		idle := s.working == 0 && (!hangs || i.halfDead)
		switch {
		case !s.ends.IsZero() && (idle && !now.Before(s.ends) || !now.Before(s.killed)):
			l.end(i, !idle)
			_, l.leaked = l.faults[MemoryNotFreed]
		case i.loading && !stuck && !now.Before(s.ready):
			i.loading, s.used = false, now
			if s.fails {
				l.end(i, true)
			}
			l.change()
		case !i.loading && s.working == 0 && l.settings.SleepIdle > 0 && now.Sub(s.used) >= l.settings.SleepIdle:
			s.asleep = true
		}
	}
}

// end removes a process. Whatever killed it, the router tells exit code 1. l.mu is
// held.
func (l *LlamaCPP) end(gone *instance, failed bool) {
	l.instances = slices.DeleteFunc(slices.Clone(l.instances), func(i *instance) bool { return i == gone })
	if s, ok := l.states[gone]; ok {
		s.kill()
		delete(l.states, gone)
	}
	if failed {
		l.failed[gone.model.Name] = 1
	}
	l.change() // requests that wait for it end
}

// running returns the process of a model, nil where there is none. l.mu is held.
func (l *LlamaCPP) running(m Model) *instance {
	for _, i := range l.instances {
		if i.model.Name == m.Name {
			return i
		}
	}
	return nil
}

var modelLimit = &refusal{http.StatusInternalServerError, "model limit reached, try again later"}

// spawn starts a model's process, for which an idle one may have to go. The
// process is nil where all are busy; the refusal is set where all of them load.
// l.mu is held.
func (l *LlamaCPP) spawn(m Model) (*instance, *refusal) {
	if len(l.instances) >= l.settings.modelsMax() {
		loading := 0
		var oldest *instance
		for _, i := range l.instances {
			s := l.state(i)
			switch {
			case i.loading:
				loading++
			case s.working == 0 && (oldest == nil || s.used.Before(l.state(oldest).used)):
				oldest = i
			}
		}
		switch {
		case loading == len(l.instances):
			return nil, modelLimit
		case oldest == nil:
			return nil, nil
		}
		l.end(oldest, false)
		return l.spawn(m)
	}
	delete(l.failed, m.Name)
	_, fails := l.onLocked(LoadFails, Loads)
	_, full := l.faults[MemoryNotFreed]
	_, onDisk := findModel(l.models, l.sameName, m.Name)
	now := time.Now()
	i := &instance{id: m.Name, model: m, settings: map[string]any{}, loading: true}
	l.instances = append(slices.Clone(l.instances), i)
	s := l.state(i)
	s.ready, s.fails = now.Add(m.LoadTime), fails || m.Broken || !onDisk || full && l.leaked
	return i, nil
}

// retire ends a process: at once while it loads, after a moment otherwise, and by
// force after ten seconds if it hangs or answers. l.mu is held.
func (l *LlamaCPP) retire(i *instance) {
	if i.loading {
		l.end(i, false)
		return
	}
	s := l.state(i)
	if !s.ends.IsZero() {
		return
	}
	kill := orDuration(l.settings.KillTime, 10*time.Second)
	stop := orDuration(l.settings.StopTime, 20*time.Millisecond)
	if i.halfDead {
		stop = min(500*time.Millisecond, kill)
	}
	s.ends = time.Now().Add(stop)
	s.killed = time.Now().Add(kill)
	// Answers under way end then, also if nobody asks for anything.
	time.AfterFunc(kill, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.settle()
	})
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// process finds the process that answers. A server with one model answers for
// every name; a router loads the model first, unless it was told not to. Nil means
// that the request was answered, or its client left.
func (l *LlamaCPP) process(w http.ResponseWriter, r *http.Request, name string) *instance {
	if !l.router {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.instances) == 0 {
			llamaError(w, http.StatusServiceUnavailable, "Loading model")
			return nil
		}
		return l.instances[0]
	}
	if name == "" {
		llamaError(w, http.StatusBadRequest, "model name is missing from the request")
		return nil
	}
	l.mu.Lock()
	autoload := !l.settings.NoAutoload
	m, known := findModel(l.known(), l.sameName, name)
	l.mu.Unlock()
	if told := r.URL.Query(); told.Has("autoload") {
		autoload = told.Get("autoload") == "true" || told.Get("autoload") == "1"
	}
	if !known {
		llamaError(w, http.StatusBadRequest, "model '"+name+"' not found")
		return nil
	}
	i, no := l.bring(r.Context(), m, autoload)
	if no != nil {
		no.write(w)
	}
	return i
}

// bring returns the process of a model once it is ready, and starts it if it may.
// Both results are nil if the client left.
func (l *LlamaCPP) bring(ctx context.Context, m Model, autoload bool) (*instance, *refusal) {
	started := false // it was waited for
	for {
		l.mu.Lock()
		l.settle()
		i, closed := l.running(m), l.closed
		var no *refusal
		stopping := i != nil && !l.state(i).ends.IsZero() // a chat waits for the next process
		switch {
		case stopping && !autoload:
			no = noConnection
		case stopping:
		case i == nil && started:
			no = &refusal{http.StatusInternalServerError, "model name=" + m.Name + " failed to load"}
		case i == nil && !autoload:
			no = &refusal{http.StatusBadRequest, "model is not loaded"}
		case i == nil:
			i, no = l.spawn(m)
		}
		ready := i != nil && !i.loading && !stopping
		started = started || i != nil && !stopping
		l.mu.Unlock()
		switch {
		case no != nil:
			return nil, no
		case ready:
			return i, nil
		case closed, !nodes.Sleep(ctx, llamaPoll):
			return nil, nil
		}
	}
}

// occupy takes a slot of a process, for which a request waits in line, and wakes
// the model. The request is bound to the process: its context ends with either.
// Release gives the slot back. Lost is true if the process ended meanwhile; all
// are zero if the client left.
func (l *LlamaCPP) occupy(r *http.Request, i *instance) (bound *http.Request, release func(), lost bool) {
	for {
		l.mu.Lock()
		l.settle()
		there, closed := slices.Contains(l.instances, i), l.closed
		if there && !closed {
			if s := l.state(i); s.ends.IsZero() && s.working < l.settings.slots() {
				s.working++
				s.slots = max(s.slots, s.working)
				s.asleep, s.used = false, time.Now()
				l.mu.Unlock()
				ctx, cancel := context.WithCancel(r.Context())
				unhook := context.AfterFunc(s.life, cancel)
				return r.WithContext(ctx), func() {
					unhook()
					cancel()
					l.mu.Lock()
					defer l.mu.Unlock()
					s.working--
					s.used = time.Now()
				}, false
			}
		}
		l.mu.Unlock()
		switch {
		case !there:
			return nil, nil, true
		case closed, !nodes.Sleep(r.Context(), llamaPoll):
			return nil, nil, false
		}
	}
}

// ended reports whether a process is gone.
func (l *LlamaCPP) ended(i *instance) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.Contains(l.instances, i) && !l.closed
}

func (l *LlamaCPP) isHalfDead(i *instance) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return i.halfDead
}

// standsStill blocks while a process that was told to end keeps its answers; false
// means that the answer ends.
func (l *LlamaCPP) standsStill(ctx context.Context, i *instance) bool {
	return l.waitWhile(ctx, func() bool { return i.halfDead || l.terminated })
}
