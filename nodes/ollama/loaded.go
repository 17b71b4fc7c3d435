package ollama

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/turbone/jarvis/nodes"
)

// traits are properties of a model's file. They are constant for a digest.
type traits struct {
	// trained is the longest context that the model was trained with, 0 if
	// unknown.
	trained int
	// numCtx is the num_ctx among the model's parameters, 0 if there is none.
	numCtx int
}

// traitsOf returns the traits of a loaded model. It asks once for each digest.
func (b *Backend) traitsOf(ctx context.Context, action string, r process) (traits, error) {
	b.mu.Lock()
	t, known := b.traits[r.Digest]
	b.mu.Unlock()
	if known {
		return t, nil
	}
	var show details
	if _, err := b.fetch(ctx, action, http.MethodPost, "/api/show", map[string]string{"model": r.name()}, &show); err != nil {
		return traits{}, err
	}
	t = readTraits(show.ModelInfo, show.Parameters)
	if r.Digest != "" {
		b.mu.Lock()
		b.traits[r.Digest] = t
		b.mu.Unlock()
	}
	return t, nil
}

// readTraits returns the traits from "<architecture>.context_length" and from the
// line "num_ctx 2048" of the parameters.
func readTraits(info map[string]any, parameters string) traits {
	var t traits
	architecture, _ := info["general.architecture"].(string)
	if n, ok := convert(wholeNumber, info[architecture+".context_length"]); ok {
		t.trained = int(n.(int64))
	}
	for line := range strings.Lines(parameters) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == numCtx {
			if n, err := strconv.Atoi(f[1]); err == nil {
				t.numCtx = n
			}
		}
	}
	return t
}

// inForce returns the runner options that don't reload a loaded model, as far as
// they can be known. settings are the load settings according to the caller.
//
// The list of loaded models has the context length. Up to 0.24, a server compares
// the num_ctx of a request with that of the load, but lists it limited to the
// model's training. So a model that is listed with its full context may have been
// loaded with that number, with a larger one, or with none if the server's
// default is larger. Then the caller's settings decide; if they have no num_ctx,
// none is sent, since that is the most likely load. Newer servers compare with
// the number that is listed.
func (b *Backend) inForce(ctx context.Context, r process, settings nodes.Settings) (map[string]any, error) {
	own, err := b.options(actionChat, settings)
	if err != nil {
		return nil, err
	}
	listed := r.ContextLength
	if listed == 0 { // an old server
		return own, nil
	}
	if asked := b.contextOf(r); own[numCtx] == nil && asked > listed {
		own[numCtx] = int64(asked) // this process loaded it
	}
	pinned, has := own[numCtx].(int64)
	switch {
	case has && pinned == int64(listed):
		return own, nil
	case has && pinned < int64(listed):
		return others(listed), nil
	}
	if !b.comparesUncut() {
		if !has {
			own[numCtx] = int64(listed)
			return own, nil
		}
		return others(listed), nil
	}
	t, err := b.traitsOf(ctx, actionChat, r)
	if err != nil {
		return nil, err
	}
	whole := t.trained == listed
	switch {
	case has && whole:
		return own, nil
	case has:
		return others(listed), nil
	case whole && (t.numCtx == 0 || t.numCtx >= listed):
		return own, nil
	}
	own[numCtx] = int64(listed)
	return own, nil
}

// others returns the options of a model that another client has loaded: the
// caller's settings are not in force, and clients that set an option set num_ctx.
func others(listed int) map[string]any { return map[string]any{numCtx: int64(listed)} }

// comparesUncut reports whether the server compares num_ctx before it limits it to
// the model's training, as versions before 0.30 do. An unknown version counts as
// one of them.
func (b *Backend) comparesUncut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !atLeast(b.version, 0, 30)
}

// atLeast reports whether a version is major.minor or later.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a > major || a == major && b >= minor)
}

// merge returns all options in one map, or nil if there are none.
func merge(list ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range list {
		maps.Copy(out, m)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
