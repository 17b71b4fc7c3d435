package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// The first and the longest pause between two reads of the list, while a load or
// a download is under way.
const (
	pollFirst = 20 * time.Millisecond
	pollLast  = time.Second
)

type success struct {
	Success bool `json:"success"`
}

// CheckSettings implements [nodes.SettingsChecker]. It refuses every setting: a
// router takes them from its presets file, not from a load.
func (b *Backend) CheckSettings(s nodes.Settings) error {
	if len(s) == 0 {
		return nil
	}
	e := b.wire.Fail("load", nodes.BadRequest,
		"llama.cpp takes no load settings by request: "+strings.Join(slices.Sorted(maps.Keys(s)), ", "))
	e.Remedy = "put them into the server's --models-preset file or command line, and leave the node's load empty"
	return e
}

// Load implements [nodes.Loader]. It blocks until the model is loaded, its process
// ends ([nodes.LoadFailed]), or ctx ends; then the router goes on loading. A
// model that is loaded already is no error. A server with one model is
// [nodes.ReadOnly].
func (b *Backend) Load(ctx context.Context, m nodes.Model) (nodes.Instance, error) {
	const action = "load"
	if err := b.CheckSettings(m.Settings); err != nil {
		return nodes.Instance{}, err
	}
	if err := b.writable(ctx, action); err != nil {
		return nodes.Instance{}, err
	}
	models, err := b.list(ctx, action, true)
	if err != nil {
		return nodes.Instance{}, err
	}
	found := b.find(models, m.Name)
	if found == nil {
		e := b.wire.Fail(action, nodes.ModelNotFound, fmt.Sprintf("the router does not list %q", m.Name))
		e.Remedy = "put the model into the router's --models-dir, or download it"
		return nodes.Instance{}, e
	}
	if found.Status.Value == sleeping {
		// It runs, so that the router refuses a load, and only a question wakes
		// it.
		if err := b.rest(ctx, found.ID); err != nil {
			return nodes.Instance{}, err
		}
	}
	var ok success
	err = b.wire.JSON(ctx, action, http.MethodPost, "/models/load", map[string]string{"model": found.ID}, &ok)
	switch {
	case err != nil && !alreadyRunning(err):
		return nodes.Instance{}, err
	case err == nil && !ok.Success:
		return nodes.Instance{}, b.wire.Fail(action, nodes.Protocol, "the router answered a load without success")
	}
	last, err := b.await(ctx, action, found.ID, func(s status) bool { return s.Value == loading })
	switch {
	case err != nil:
		return nodes.Instance{}, err
	case last == nil:
		return nodes.Instance{}, b.wire.Fail(action, nodes.ModelNotFound, found.ID+" left the router's list while it loaded")
	case last.Status.Value != loaded:
		detail := fmt.Sprintf("the process of %s ended (exit code %d)", found.ID, last.Status.ExitCode)
		if !last.Status.Failed {
			detail = fmt.Sprintf("%s is %s after its load", found.ID, last.Status.Value)
		}
		e := b.wire.Fail(action, nodes.LoadFailed, detail)
		e.Remedy = "see the server's own log; it names the reason there alone"
		return nodes.Instance{}, e
	}
	return nodes.Instance{ID: last.ID, Model: last.ID, Size: last.size()}, nil
}

// writable returns an error if the server has one model only.
func (b *Backend) writable(ctx context.Context, action string) error {
	p, err := b.props(ctx, action)
	if err != nil {
		return err
	}
	if !p.router() {
		e := b.wire.Fail(action, nodes.ReadOnly, "this llama-server was started with one model")
		e.Remedy = "start it without a model (router mode), or give the node a restart command"
		return e
	}
	return nil
}

func alreadyRunning(err error) bool {
	var e *nodes.Error
	return errors.As(err, &e) && e.Fault == nodes.BadRequest && strings.Contains(e.Detail, "already running")
}

// await reads the list until still is false for the model's status, and returns
// the model. It returns nil if the model leaves the list.
func (b *Backend) await(ctx context.Context, action, id string, still func(status) bool) (*model, error) {
	for wait := pollFirst; ; wait = min(wait*2, pollLast) {
		models, err := b.list(ctx, action, true)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(models, func(m model) bool { return m.ID == id })
		if i < 0 {
			return nil, nil
		}
		if !still(*models[i].Status) {
			return &models[i], nil
		}
		if !nodes.Sleep(ctx, wait) {
			return nil, b.wire.Transport(ctx, action, fmt.Errorf("%s is still %s: %w", id, models[i].Status.Value, ctx.Err()))
		}
	}
}

// rest unloads a model and blocks until its process is gone.
func (b *Backend) rest(ctx context.Context, id string) error {
	if err := b.Unload(ctx, id); err != nil {
		return err
	}
	_, err := b.await(ctx, "unload", id, func(s status) bool { return s.Value == sleeping || s.Value == loaded || s.Value == loading })
	return err
}

// Unload implements [nodes.Loader]. It also unloads a model that is still loading.
// It returns before the model is gone: the router asks the process to end, and
// kills it after ten seconds.
func (b *Backend) Unload(ctx context.Context, instance string) error {
	const action = "unload"
	if err := b.writable(ctx, action); err != nil {
		return err
	}
	var ok success
	err := b.wire.JSON(ctx, action, http.MethodPost, "/models/unload", map[string]string{"model": instance}, &ok)
	if errors.Is(err, nodes.NotLoaded) || errors.Is(err, nodes.ModelNotFound) {
		return nil
	}
	return err
}
