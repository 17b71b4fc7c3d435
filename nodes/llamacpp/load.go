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
// model that is loaded already, or sleeps, is no error. A server with one model is
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
		return nodes.Instance{}, b.missing(action, m.Name)
	}
	var ok success
	err = b.wire.JSON(ctx, action, http.MethodPost, "/models/load", map[string]string{"model": found.ID}, &ok)
	switch {
	case fileNotFound(err):
		return nodes.Instance{}, b.missing(action, m.Name)
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
	case !last.Status.runs():
		detail := fmt.Sprintf("the process of %s ended (exit code %d)", found.ID, last.Status.ExitCode)
		if !last.Status.Failed {
			detail = fmt.Sprintf("%s is %s after its load", found.ID, last.Status.Value)
		}
		if b.gone(ctx, found.ID) {
			return nodes.Instance{}, b.missing(action, found.ID)
		}
		e := b.wire.Fail(action, nodes.LoadFailed, detail)
		e.Remedy = "see the server's own log; it names the reason there alone"
		return nodes.Instance{}, e
	}
	return nodes.Instance{ID: last.ID, Model: last.ID, Size: last.size()}, nil
}

// missing is the error of a model that the router does not have.
func (b *Backend) missing(action, name string) error {
	e := b.wire.Fail(action, nodes.ModelNotFound, fmt.Sprintf("the router does not list %q", name))
	e.Remedy = "put the model into the router's folder (--models-dir), which the next load looks into, or download it"
	return e
}

// Rescan implements [nodes.Rescanner]. A router knows the files that were in its
// folder and presets when it was started, or asked so.
func (b *Backend) Rescan(ctx context.Context) error {
	const action = "rescan"
	if err := b.writable(ctx, action); err != nil {
		return err
	}
	_, err := b.listAt(ctx, action, "/models?reload=1", true)
	return err
}

// gone reports whether the file of a model that is listed and does not load is no
// longer there.
func (b *Backend) gone(ctx context.Context, id string) bool {
	models, err := b.listAt(ctx, "load", "/models?reload=1", true)
	return err == nil && !slices.ContainsFunc(models, func(m model) bool { return m.ID == id })
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

// fileNotFound reports whether the router refused a load with its answer for any
// path that it does not have, which it also sends for an unknown model.
func fileNotFound(err error) bool {
	var e *nodes.Error
	return errors.As(err, &e) && strings.Contains(e.Detail, "HTTP 404")
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
