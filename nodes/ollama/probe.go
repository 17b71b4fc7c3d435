package ollama

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// The actions, as errors name them.
const (
	actionProbe    = "probe"
	actionLoad     = "load"
	actionUnload   = "unload"
	actionChat     = "chat"
	actionDownload = "download"
)

// replacedWithin is the time in which versions from 0.30 replace a runner that hangs on
// a question. Until then they don't answer with the loaded models.
const replacedWithin = 20 * time.Second

// probeLimit bounds a probe whose caller set no deadline. Newer servers may delay
// the list of loaded models for ten seconds while they check a failing runner.
const probeLimit = 15 * time.Second

// Probe implements [nodes.Backend]. It reads the version, the loaded models and
// the models on disk. If the server answers with its version and not with the
// loaded models, its scheduler is wedged: the error wraps [nodes.TimedOut] and
// says so, and a restart of the server helps. From version 0.30 on the server may
// be about to replace a runner that hangs: the error asks to look again after that.
//
// The snapshot has no models that run in the cloud, and no loaded model without
// a tag, see the package's comment.
func (b *Backend) Probe(ctx context.Context) (nodes.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	began := time.Now()
	version, err := b.identify(ctx)
	if err != nil {
		return nodes.Snapshot{}, err
	}
	running, err := b.running(ctx, actionProbe)
	var e *nodes.Error
	if errors.As(err, &e) && e.Fault == nodes.TimedOut {
		stuck := b.wire.Fail(actionProbe, nodes.TimedOut, "/api/version answers, /api/ps does not: the scheduler hangs")
		stuck.Remedy, stuck.Err = "restart the server", e.Err
		if atLeast(version, 0, 30) {
			stuck.RetryAfter = replacedWithin
		}
		return nodes.Snapshot{}, stuck
	}
	if err != nil {
		return nodes.Snapshot{}, b.incomplete(err)
	}
	tags, err := b.tags(ctx, actionProbe)
	if err != nil {
		return nodes.Snapshot{}, b.incomplete(err)
	}
	s := nodes.Snapshot{Version: version, OnDisk: []nodes.File{}, Loaded: []nodes.Instance{}}
	for _, t := range tags {
		if t.remote() {
			continue
		}
		s.OnDisk = append(s.OnDisk, nodes.File{
			Name: t.name(), Size: t.Size, Digest: t.Digest, Quantization: t.Details.Quantization,
		})
	}
	entries := map[string]int{}
	for _, r := range running.models {
		if tag, ok := tagOf(r, tags); ok {
			r.Name, r.Model = tag, tag
			inst := b.instance(r, running.now)
			entries[inst.ID]++
			inst.ID = instanceID(inst.ID, entries[inst.ID])
			s.Loaded = append(s.Loaded, inst)
		}
	}
	s.Latency = time.Since(began)
	return s, nil
}

// identify returns the server's version, or an error if it is no Ollama server.
func (b *Backend) identify(ctx context.Context) (string, error) {
	var answer struct {
		Version string `json:"version"`
	}
	_, err := b.fetch(ctx, actionProbe, http.MethodGet, "/api/version", nil, &answer)
	fault := nodes.FaultOf(err)
	switch {
	case err == nil && answer.Version != "":
		b.mu.Lock()
		b.version = answer.Version
		b.mu.Unlock()
		return answer.Version, nil
	case err == nil:
		return "", b.stranger("/api/version without a version")
	case fault != nodes.BadRequest && fault != nodes.Protocol, errors.Is(err, errNoJSON):
		return "", err
	}
	// A proxy may forward only part of the API. Then the root shows the engine.
	root, rootErr := b.wire.Bytes(ctx, actionProbe, http.MethodGet, "/", nil)
	if rootErr != nil || !strings.Contains(string(root), "Ollama is running") {
		return "", b.stranger(detail(err))
	}
	return "", nil
}

// stranger returns the error of a server that is no Ollama.
func (b *Backend) stranger(detail string) error {
	return b.wire.Fail(actionProbe, nodes.WrongEngine, "not Ollama: "+detail)
}

// detail returns an error's text without the node's name.
func detail(err error) string {
	var e *nodes.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return err.Error()
}

// incomplete returns the error of a server that has Ollama's version endpoint and
// lacks one of its lists.
func (b *Backend) incomplete(err error) error {
	if nodes.FaultOf(err) == nodes.BadRequest {
		return b.stranger(detail(err))
	}
	return err
}

// running is the list of loaded models, and the server's clock at that time.
type running struct {
	models []process
	now    time.Time
}

func (b *Backend) running(ctx context.Context, action string) (running, error) {
	models, header, err := list[process](ctx, b, action, "/api/ps")
	if errors.Is(err, errSilent) {
		// Up to 0.32 the server makes the list without a lock, and its handler
		// panics during an unload. The next list is right.
		models, header, err = list[process](ctx, b, action, "/api/ps")
	}
	if err != nil {
		return running{}, err
	}
	return running{models, serverTime(header.Get("Date"))}, nil
}

// tags returns the models on disk.
func (b *Backend) tags(ctx context.Context, action string) ([]tag, error) {
	models, _, err := list[tag](ctx, b, action, "/api/tags")
	return models, err
}

// list returns the entries of one of the server's two lists.
func list[T any](ctx context.Context, b *Backend, action, path string) ([]T, http.Header, error) {
	var out struct {
		Models *[]T `json:"models"`
	}
	header, err := b.fetch(ctx, action, http.MethodGet, path, nil, &out)
	switch {
	case err != nil:
		return nil, nil, err
	case out.Models == nil:
		return nil, nil, b.stranger("a list without models")
	}
	return *out.Models, header, nil
}

// tagOf returns the name by which requests reach a loaded model: its own, or, if
// that tag was overwritten since, another tag of the same file. ok is false if no
// tag refers to the file.
func tagOf(r process, tags []tag) (tag string, ok bool) {
	own := r.name()
	for _, t := range tags {
		named := sameName(t.name(), own)
		switch same := r.Digest == t.Digest; {
		case named && (same || r.Digest == "" || t.Digest == ""):
			return own, true
		case same && !ok && r.Digest != "":
			tag, ok = t.name(), true
		}
	}
	return tag, ok
}

// instance converts an entry of /api/ps.
func (b *Backend) instance(r process, now time.Time) nodes.Instance {
	id := r.name()
	inst := nodes.Instance{
		ID: id, Model: id, Digest: r.Digest, Size: r.Size, VRAM: r.SizeVRAM,
		Stopping: b.stopping(r, now),
	}
	if r.ContextLength > 0 {
		// The server lists num_ctx limited to the model's training. The number of
		// the load counts as in force.
		inst.Settings = nodes.Settings{numCtx: b.contextOf(r)}
	}
	if !forever(r.ExpiresAt, now) {
		inst.Expires = r.ExpiresAt
	}
	return inst
}

// stopping reports whether a model is being unloaded. An unload sets the expiry to
// the time of the unload. An expiry that was listed before it passed is no sign:
// the server does not extend it while a request is under way, so that a model may
// work long after it.
func (b *Backend) stopping(r process, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.ExpiresAt.IsZero() || !r.ExpiresAt.Before(now) {
		b.expiries[r.Digest] = r.ExpiresAt
		return false
	}
	return !b.expiries[r.Digest].Equal(r.ExpiresAt)
}

// contextOf returns the num_ctx in force: that of Load if the list has it limited
// to the model's training.
func (b *Backend) contextOf(r process) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if asked := b.asked[r.Digest]; asked > r.ContextLength && b.traits[r.Digest].trained == r.ContextLength {
		return asked
	}
	return r.ContextLength
}

// forever reports whether an expiry means never. The server's "never" is
// centuries ahead.
func forever(expires, now time.Time) bool {
	return expires.IsZero() || expires.After(now.AddDate(10, 0, 0))
}

// serverTime returns the time by the server's clock, which its expiries refer to.
// A date has whole seconds, so that this machine's clock is used if the two
// agree.
func serverTime(date string) time.Time {
	now := time.Now()
	theirs, err := http.ParseTime(date)
	if err != nil || now.Sub(theirs).Abs() < 3*time.Second {
		return now
	}
	return theirs
}
