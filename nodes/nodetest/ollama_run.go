package nodetest

import (
	"context"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// forEver is a keep-alive below zero, as the server keeps it.
const forEver = time.Duration(math.MaxInt64)

// keepAlive reads a keep-alive: a duration, or a number of seconds; below zero
// is for ever.
func keepAlive(v any) (d time.Duration, given, ok bool) {
	switch v := v.(type) {
	case nil:
		return 0, false, true
	case float64:
		d = time.Duration(v * float64(time.Second))
	case string:
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			return 0, false, false
		}
	default:
		return 0, false, false
	}
	if d < 0 {
		d = forEver
	}
	return d, true, true
}

// keepFor sets how long a model stays from now on. l.mu is held.
func (l *Ollama) keepFor(i *instance, keep time.Duration) {
	if keep < 0 {
		keep = forEver
	}
	l.state(i).keep = keep
	i.expires = time.Time{}
	if keep != forEver {
		i.expires = time.Now().Add(keep)
	}
}

// expire takes out of memory what was idle for its time, and what was unloaded
// and is through with it.
func (l *Ollama) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, i := range slices.Clone(l.instances) {
		s := l.state(i)
		switch {
		case s.busy > 0:
		case !s.gone.IsZero() && !now.Before(s.gone):
			l.remove(i)
		case s.gone.IsZero() && !i.expires.IsZero() && !now.Before(i.expires):
			l.retire(i)
		}
	}
}

// retire begins the end of a model: it is listed with an expiry in the past
// until the requests under way are done. l.mu is held.
func (l *Ollama) retire(i *instance) {
	s := l.state(i)
	now := time.Now()
	i.stopping, s.keep = true, 0
	if i.expires.IsZero() || i.expires.After(now) {
		i.expires = now
	}
	s.gone = now.Add(l.settings.StoppingTime)
	if s.busy == 0 && l.settings.StoppingTime == 0 {
		l.remove(i)
	}
}

func (l *Ollama) trained() int {
	if l.settings.Trained > 0 {
		return l.settings.Trained
	}
	return 131072
}

// runnerOptions returns the options of a request that belong to the loaded
// model, in full. l.mu is held.
func (l *Ollama) runnerOptions(m Model, options map[string]any) map[string]any {
	out := map[string]any{"num_ctx": 4096.0, "num_batch": 512.0, "num_gpu": -1.0, "main_gpu": 0.0, "num_thread": 0.0, "use_mmap": nil}
	if l.settings.Context > 0 {
		out["num_ctx"] = float64(l.settings.Context)
	}
	for name, n := range l.settings.ModelContext {
		if l.sameName(name, m.Name) {
			out["num_ctx"] = float64(n)
		}
	}
	for name, v := range options {
		if _, known := out[name]; !known {
			continue
		}
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		out[name] = v
	}
	if l.cutsFirst() { // compared is what is left of it
		out["num_ctx"] = min(out["num_ctx"].(float64), float64(l.trained()))
	}
	return out
}

func contextOf(options map[string]any) int {
	n, _ := options["num_ctx"].(float64)
	return int(n)
}

// cutsFirst: from 0.30 on the context is cut to the model's before it is
// compared with that of a request.
func (l *Ollama) cutsFirst() bool { return l.runner() != "llama runner" }

// runnerFor returns the loaded model for a request. It loads the model first
// where it is not loaded, or runs with other options. done ends the request.
func (l *Ollama) runnerFor(r *http.Request, c OllamaSettings, in ollamaRequest, m Model, route Route) (i *instance, done func(), f *ollamaFailure) {
	keep, given, f := l.admit(r, c, in, m, route)
	if f != nil {
		return nil, nil, f
	}
	for {
		l.mu.Lock()
		want := l.runnerOptions(m, in.Options)
		at := slices.IndexFunc(l.instances, func(i *instance) bool { return i.model.digest() == m.digest() })
		if at < 0 {
			l.mu.Unlock()
			return l.bringFor(r.Context(), c, m, in.Model, want, keep, given)
		}
		i, changed := l.instances[at], l.changed
		s := l.state(i)
		fresh := !i.loading && s.gone.IsZero() && sameOptions(s.options, want) && (route == Chats || !i.crashed && !s.hung)
		if fresh {
			done := l.useLocked(i, keep, given)
			l.mu.Unlock()
			return i, done, nil
		}
		removed := l.replace(i, want)
		l.mu.Unlock()
		// Requests under way end first, and an unload takes its time.
		if !removed && !l.awaitChange(r.Context(), changed) {
			return nil, nil, gone
		}
	}
}

// admit plays the faults of a request that needs a runner, and returns the
// keep-alive that it asks for.
func (l *Ollama) admit(r *http.Request, c OllamaSettings, in ollamaRequest, m Model, route Route) (keep time.Duration, given bool, f *ollamaFailure) {
	if _, on := l.on(SchedulerWedged, route); on && !l.hang(r.Context(), SchedulerWedged) {
		return 0, false, gone
	}
	if l.hit(QueueFull, route) {
		return 0, false, &ollamaFailure{http.StatusServiceUnavailable, "server busy, please try again.  maximum pending requests exceeded"}
	}
	if l.named(c.Corrupt, m) {
		return 0, false, &ollamaFailure{http.StatusInternalServerError, ""}
	}
	keep, given, ok := keepAlive(in.KeepAlive)
	if !ok {
		return 0, false, &ollamaFailure{http.StatusBadRequest, "invalid keep_alive"}
	}
	return keep, given, nil
}

// bringFor loads a model for a request, whose keep-alive it gets.
func (l *Ollama) bringFor(ctx context.Context, c OllamaSettings, m Model, name string, want map[string]any, keep time.Duration, given bool) (*instance, func(), *ollamaFailure) {
	i, f := l.bring(ctx, c, m, name, want)
	if f != nil {
		return nil, nil, f
	}
	if !given {
		keep = c.KeepAlive
		if keep == 0 {
			keep = 5 * time.Minute
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return i, l.useLocked(i, keep, true), nil
}

// replace removes a model that a request can't use as it is, unless it is at
// work, loading, or not gone yet. l.mu is held.
func (l *Ollama) replace(i *instance, want map[string]any) (removed bool) {
	s := l.state(i)
	if s.busy > 0 || i.loading {
		return false
	}
	if s.gone.IsZero() && !sameOptions(s.options, want) {
		l.reloads++
	}
	if !s.gone.IsZero() && time.Now().Before(s.gone) {
		return false
	}
	l.remove(i)
	return true
}

// awaitChange waits for a change, at most 20 ms; false means that the client
// went away.
func (l *Ollama) awaitChange(ctx context.Context, changed <-chan struct{}) bool {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-timer.C:
	}
	return true
}

// sameOptions: a num_gpu below zero is the same as any.
func sameOptions(loaded, want map[string]any) bool {
	if n, _ := want["num_gpu"].(float64); n < 0 {
		loaded = maps.Clone(loaded)
		loaded["num_gpu"] = want["num_gpu"]
	}
	return reflect.DeepEqual(loaded, want)
}

// useLocked counts a request in, and returns what counts it out again: that
// sets the expiry anew. l.mu is held.
func (l *Ollama) useLocked(i *instance, keep time.Duration, given bool) (done func()) {
	s := l.state(i)
	s.busy++
	if given {
		s.keep = keep
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		s.busy--
		if !slices.Contains(l.instances, i) || s.busy > 0 {
			return
		}
		switch {
		case i.stopping:
			l.retire(i)
		case s.keep == 0:
			l.retire(i)
		default:
			l.keepFor(i, s.keep)
		}
		l.change()
	}
}

// bring loads a model. The load ends with its client.
func (l *Ollama) bring(ctx context.Context, c OllamaSettings, m Model, name string, options map[string]any) (*instance, *ollamaFailure) {
	broken := func(text string) (*instance, *ollamaFailure) {
		return nil, &ollamaFailure{http.StatusInternalServerError, text}
	}
	if d, on := l.on(LoadFails, Loads); on {
		return broken(or(d.Text, l.notLoaded()))
	}
	if m.Broken {
		return broken(l.notLoaded())
	}
	l.mu.Lock()
	full := l.leaked
	if _, on := l.faults[MemoryNotFreed]; !on {
		full, l.leaked = false, false
	}
	if full || contextOf(options) >= 10_000_000 && contextOf(options) <= l.trained() {
		l.mu.Unlock()
		return broken(l.noMemory())
	}
	l.makeRoom(c)
	i := &instance{id: ollamaName(name), model: m, loading: true}
	l.instances = append(slices.Clone(l.instances), i)
	s := l.state(i)
	s.name, s.options, s.loaded = ollamaName(m.Name), options, time.Now()
	l.loads++
	life := l.life
	l.mu.Unlock()

	failed := func() (*instance, *ollamaFailure) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.remove(i)
		return nil, gone
	}
	if _, on := l.on(LoadHangs, Loads); on && !l.hang(ctx, LoadHangs) {
		return failed()
	}
	if !nodes.Sleep(ctx, m.LoadTime) {
		return failed()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life != life || !slices.Contains(l.instances, i) {
		return nil, gone
	}
	i.loading, s.loaded = false, time.Now()
	l.change()
	return i, nil
}

// makeRoom unloads an idle model where no other fits, the one with the
// shortest keep-alive first. l.mu is held.
func (l *Ollama) makeRoom(c OllamaSettings) {
	most := c.MaxLoaded
	if most == 0 {
		most = 3
	}
	for len(l.instances) >= most {
		var idle *instance
		for _, i := range l.instances {
			if s := l.state(i); s.busy == 0 && !i.loading && (idle == nil || s.keep < l.state(idle).keep) {
				idle = i
			}
		}
		if idle == nil {
			return
		}
		l.remove(idle)
	}
}

// unload is a request without a prompt whose keep-alive is 0. It is
// acknowledged whatever comes of it.
func (l *Ollama) unload(r *http.Request, m Model) bool {
	if _, on := l.on(SchedulerWedged, Unloads); on && !l.hang(r.Context(), SchedulerWedged) {
		return false
	}
	if l.hit(UnloadOnlyAcknowledged, Unloads) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range slices.Backward(slices.Clone(l.instances)) {
		if i.model.digest() == m.digest() && !i.stopping {
			l.retire(i) // of two of one model, which should not be, one
			break
		}
	}
	return true
}

// replacedAfter is the time after which a server of 0.30 and later replaces a runner
// that does not answer a question.
const replacedAfter = 20 * time.Second

// awaitRunner blocks while the runner hangs: until it is killed by an unload,
// replaced by the server, or the client leaves (false).
func (l *Ollama) awaitRunner(ctx context.Context, i *instance) bool {
	if l.onLlamaServer() {
		replace := time.AfterFunc(replacedAfter, func() { l.replaceRunner(i) })
		defer replace.Stop()
	}
	defer l.asked(i, 1)()
	return l.waitWhile(ctx, func() bool {
		s, there := l.states[i]
		return there && s.hung
	})
}

// asked counts a question in that a runner has, and returns what counts it out.
func (l *Ollama) asked(i *instance, n int) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state(i).asked += n
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.state(i).asked -= n
		l.change()
	}
}

// replaceRunner gives a model a new runner in place of one that hangs.
func (l *Ollama) replaceRunner(i *instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, there := l.states[i]; there && s.hung {
		s.hung = false
		l.loads++
		l.change()
	}
}

// hangsOnQuestion reports whether a question waits for a runner that hangs. l.mu is
// held.
func (l *Ollama) hangsOnQuestion() bool {
	for _, s := range l.states {
		if s.hung && s.asked > 0 {
			return true
		}
	}
	return false
}

// promptOf joins what a request says, and counts its words.
func promptOf(in ollamaRequest) (string, int) {
	prompt := in.Prompt
	for _, m := range in.Messages {
		prompt += "\n" + string(m.Content)
	}
	return prompt, len(strings.Fields(prompt))
}
