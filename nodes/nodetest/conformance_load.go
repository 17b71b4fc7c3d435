package nodetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/turbone/jarvis/nodes"
)

// runLoads checks what holds for every engine that loads and unloads.
func (c conformance) runLoads(t *testing.T, first Subject) {
	t.Run("ensure what is loaded", c.ensureLoaded)
	t.Run("ensure an unknown model", c.ensureUnknown)
	t.Run("reload", c.reload)
	t.Run("unload of what is not there", c.unloadNothing)
	t.Run("load with a context that ended", c.loadEndedContext)
	if first.Other != "" {
		t.Run("ensure another model", c.ensureOther)
		t.Run("ensure at once from several sides", c.ensureTogether)
	}
	if _, ok := first.Backend.(nodes.SettingsChecker); ok {
		t.Run("ensure with unknown settings", c.ensureUnknownSetting)
	}
	if _, ok := first.Faulty.(adder); ok {
		t.Run("a second instance", c.secondInstance)
		if first.Other != "" {
			t.Run("a second model", c.secondModel)
		}
	}
}

// adder loads behind everybody's back.
type adder interface{ AddInstance(name string) }

// restore leaves the server as it was found, for those that are one and the
// same in every subtest.
func (s subject) restore(t *testing.T) {
	t.Helper()
	if s.Faulty != nil {
		s.Faulty.Mend()
	}
	if _, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{}); err != nil {
		t.Errorf("restoring %s: %v", s.Model, err)
	}
}

func (c conformance) ensureLoaded(t *testing.T) {
	s := c.subject(t)
	for range 2 {
		inst, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if inst.ID == "" || !s.node.Same(inst.Model, s.Model) {
			t.Errorf("got instance %+v of %s", inst, s.Model)
		}
	}
	s.wantLoaded(t, s.Model)
	if calls := s.callsTo(Loads | Unloads); len(calls) > 0 {
		t.Errorf("a loaded model was touched: %s %s", calls[0].Method, calls[0].Path)
	}
	s.answers(t, s.Model)
}

func (c conformance) ensureOther(t *testing.T) {
	s := c.subject(t)
	defer s.restore(t)
	for _, model := range []string{s.Other, s.Model} {
		inst, err := s.node.Ensure(within(t, long), nodes.Model{Name: model}, nodes.EnsureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !s.node.Same(inst.Model, model) {
			t.Errorf("got instance %+v of %s", inst, model)
		}
		s.wantLoaded(t, model)
		s.answers(t, model)
	}
}

func (c conformance) ensureTogether(t *testing.T) {
	s := c.subject(t)
	defer s.restore(t)
	ctx := within(t, long)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := s.node.Ensure(ctx, nodes.Model{Name: s.Other}, nodes.EnsureOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.wantLoaded(t, s.Other)
	if calls := s.callsTo(Loads); len(calls) > 1 {
		t.Errorf("loaded %d times", len(calls))
	}
}

func (c conformance) ensureUnknown(t *testing.T) {
	s := c.subject(t)
	_, err := s.node.Ensure(within(t, long), nodes.Model{Name: unknown}, nodes.EnsureOptions{})
	s.wantFault(t, "an unknown model", err, nodes.ModelNotFound)
	s.wantLoaded(t, s.Model)
	s.answers(t, s.Model)
	_, err = s.Backend.(nodes.Loader).Load(within(t, long), nodes.Model{Name: unknown})
	s.wantFault(t, "load of an unknown model", err, nodes.ModelNotFound)
	s.wantLoaded(t, s.Model)
}

func (c conformance) ensureUnknownSetting(t *testing.T) {
	s := c.subject(t)
	m := nodes.Model{Name: s.Model, Settings: nodes.Settings{"jarvis_no_such_setting": 1}}
	_, err := s.node.Ensure(within(t, long), m, nodes.EnsureOptions{Reload: true})
	s.wantFault(t, "an unknown setting", err, nodes.BadRequest)
	if err != nil && !strings.Contains(err.Error(), "jarvis_no_such_setting") {
		t.Errorf("the error does not name the setting: %v", err)
	}
	s.wantLoaded(t, s.Model)
	s.answers(t, s.Model)
}

func (c conformance) reload(t *testing.T) {
	s := c.subject(t)
	defer s.restore(t)
	if _, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true}); err != nil {
		t.Fatal(err)
	}
	s.wantLoaded(t, s.Model)
	s.answers(t, s.Model)
	if s.callsTo(Lists) != nil && (len(s.callsTo(Unloads)) != 1 || len(s.callsTo(Loads)) != 1) {
		t.Errorf("%d unloads and %d loads, want one of each", len(s.callsTo(Unloads)), len(s.callsTo(Loads)))
	}
}

func (c conformance) unloadNothing(t *testing.T) {
	s := c.subject(t)
	if err := s.Backend.(nodes.Loader).Unload(within(t, long), unknown); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	s.wantLoaded(t, s.Model)
}

func (c conformance) loadEndedContext(t *testing.T) {
	s := c.subject(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.promptly(t, "ensure", 0, func() error {
		_, err := s.node.Ensure(ctx, nodes.Model{Name: s.Model}, nodes.EnsureOptions{Reload: true})
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	s.wantLoaded(t, s.Model)
}

func (c conformance) secondInstance(t *testing.T) {
	s := c.subject(t)
	s.Faulty.(adder).AddInstance(s.Model)
	before := s.snapshot(t).Loaded
	removed, err := s.node.TrimExtras(within(t, long), nodes.Model{Name: s.Model})
	if err != nil {
		t.Fatal(err)
	}
	if removed != len(before)-1 {
		t.Errorf("removed %d of %d", removed, len(before))
	}
	after := s.snapshot(t).Loaded
	if len(after) != 1 || after[0].ID != before[0].ID {
		t.Errorf("left is %+v, want the oldest of %+v", after, before)
	}
	s.answers(t, s.Model)
}

func (c conformance) secondModel(t *testing.T) {
	s := c.subject(t)
	s.Faulty.(adder).AddInstance(s.Other)
	if names := s.loaded(t); !slices.Contains(names, s.node.Canonical(s.Other)) {
		t.Fatalf("%s is loaded and not listed: %q", s.Other, names)
	}
	if removed, err := s.node.TrimExtras(within(t, long), nodes.Model{Name: s.Model}); removed != 0 || err != nil {
		t.Errorf("trimming took %d of another model, %v", removed, err)
	}
	if _, err := s.node.Ensure(within(t, long), nodes.Model{Name: s.Model}, nodes.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	s.wantLoaded(t, s.Model)
	s.answers(t, s.Model)
}
