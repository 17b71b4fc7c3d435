package ollama

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// stay is the keep-alive of loaded models: until they are unloaded.
var stay = kept(-1)

func kept(d time.Duration) *keepAlive {
	k := keepAlive(d)
	return &k
}

// Load implements [nodes.Loader]. The settings are Ollama's runner options, see
// [LoadKeys]. The model stays loaded until it is unloaded.
func (b *Backend) Load(ctx context.Context, m nodes.Model) (nodes.Instance, error) {
	options, err := b.options(actionLoad, m.Settings)
	if err != nil {
		return nodes.Instance{}, err
	}
	if err := b.generate(ctx, actionLoad, "load", request{Model: m.Name, KeepAlive: stay, Options: options}); err != nil {
		return nodes.Instance{}, err
	}
	running, err := b.running(ctx, actionLoad)
	if err != nil {
		return nodes.Instance{}, err
	}
	r, err := b.find(ctx, actionLoad, m.Name, running)
	if err != nil {
		return nodes.Instance{}, err
	}
	asked, pinned := options[numCtx].(int64)
	if pinned && int(asked) > r.ContextLength && r.ContextLength > 0 {
		// The server limits num_ctx to the model's training, and compares later
		// requests with the number of this one.
		if _, err := b.traitsOf(ctx, actionLoad, r); err != nil {
			return nodes.Instance{}, err
		}
	}
	b.mu.Lock()
	delete(b.asked, r.Digest)
	if pinned {
		b.asked[r.Digest] = int(asked)
	}
	b.mu.Unlock()
	return b.instance(r, running.now), nil
}

// Unload implements [nodes.Loader]. The server acknowledges it at once, and unloads
// the model when the requests under way have ended. If one of them hangs, it does
// not unload the model.
func (b *Backend) Unload(ctx context.Context, instance string) error {
	err := b.generate(ctx, actionUnload, "unload", request{Model: modelOf(instance), KeepAlive: kept(0)})
	if nodes.FaultOf(err) == nodes.ModelNotFound {
		return nil
	}
	return err
}

// generate sends a request without a prompt, which loads or unloads a model, and
// checks that the answer's done_reason is want.
func (b *Backend) generate(ctx context.Context, action, want string, req request) error {
	var last response
	err := stream(ctx, b, action, "/api/generate", req, func(r response) { last = r })
	switch {
	case err != nil && action == actionLoad:
		return loadError(err)
	case err != nil:
		return err
	case !last.Done:
		return b.wire.Fail(action, nodes.CutOff, "the answer ended before it was done")
	case last.DoneReason != want && last.DoneReason != "": // versions of 2024 give none
		return b.wire.Fail(action, nodes.Protocol, fmt.Sprintf("done_reason %q, want %q", last.DoneReason, want))
	}
	return nil
}

// find returns the entry of a model in the list of loaded models. It compares the
// digests of the tags: a model with two tags is listed under the one that was
// requested first, and a tag may have been overwritten since.
func (b *Backend) find(ctx context.Context, action, model string, list running) (process, error) {
	named := func(r process) bool { return sameName(r.name(), model) }
	none := func(detail string) (process, error) {
		return process{}, b.wire.Fail(action, nodes.NotLoaded, detail)
	}
	tags, err := b.tags(ctx, action)
	if err != nil {
		return process{}, err
	}
	i := slices.IndexFunc(tags, func(t tag) bool { return sameName(t.name(), model) })
	if i < 0 {
		e := b.wire.Fail(action, nodes.ModelNotFound, model+" is not on the node's disk")
		e.Remedy = pull
		return process{}, e
	}
	if tags[i].remote() {
		return none(fmt.Sprintf("%s runs on %s, not on the node", model, tags[i].RemoteHost))
	}
	digest := tags[i].Digest
	if j := slices.IndexFunc(list.models, func(r process) bool {
		if digest == "" || r.Digest == "" {
			return named(r)
		}
		return r.Digest == digest
	}); j >= 0 {
		return list.models[j], nil
	}
	if slices.ContainsFunc(list.models, named) {
		return none(model + " was replaced on disk; what is loaded is the old one")
	}
	return none(model + " is on disk and not loaded")
}

// Download implements [nodes.Downloader]: the server pulls the model. It resumes a
// pull that was interrupted.
func (b *Backend) Download(ctx context.Context, model string, report func(nodes.Progress)) error {
	var status string
	err := stream(ctx, b, actionDownload, "/api/pull", map[string]string{"model": model}, func(p progress) {
		status = p.Status
		if report != nil {
			report(nodes.Progress{Status: p.Status, Completed: p.Completed, Total: p.Total})
		}
	})
	switch {
	case err != nil:
		return err
	case status != "success":
		return b.wire.Fail(actionDownload, nodes.CutOff, fmt.Sprintf("the pull ended at %q", status))
	}
	return nil
}

// remaining returns the keep-alive of a request that leaves the expiry as it is,
// counted from the end of the request. It returns nil for an expiry that has
// passed.
func remaining(expires, now time.Time) *keepAlive {
	if forever(expires, now) {
		return stay
	}
	if expires.Before(now) {
		return nil
	}
	return kept(max(expires.Sub(now), time.Second))
}
