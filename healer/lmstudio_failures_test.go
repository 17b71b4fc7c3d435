package healer_test

import (
	"testing"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The ways in which users see LM Studio fail (issues of
// lmstudio-ai/lmstudio-bug-tracker), each healed, or told as what it is where
// no repair can help. L10, L16 and L19 (memory and disk of the host) can't be
// seen over the network until they end in one of the others: L10 in L13 or
// L14, L16 and L19 in L02.

// studio is a fake LM Studio as node M1.
func studio(t *testing.T, canRestart bool) (*broken, *nodetest.LMStudio) {
	t.Helper()
	var fake *nodetest.LMStudio
	e := engine{"lmstudio", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
		fake = nodetest.NewLMStudio(t, o)
		return fake.Server, must[*lmstudio.Backend](t)(lmstudio.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: o.Network.Transport()}))
	}}
	b := newBroken(t, e, nodetest.Options{Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}}, canRestart)
	b.start()
	b.mark()
	return b, fake
}

// loneStudio is a fake LM Studio as the only node, M1.
func loneStudio(t *testing.T, o nodetest.Options) (*cluster, *nodetest.LMStudio) {
	t.Helper()
	o.Network = &nodetest.Network{}
	t.Cleanup(o.Network.Close)
	fake := nodetest.NewLMStudio(t, o)
	c := newCluster(t, must[*nodes.Node](t)(nodes.New(nodes.Node{
		Name: "M1", Wanted: nodes.Model{Name: "good"},
		Backend: must[*lmstudio.Backend](t)(lmstudio.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: o.Network.Transport()})),
	})))
	c.policy = faultPolicy()
	return c, fake
}

// healed waits for the end of the incident, whose first sign was told as text.
func (b *broken) healed(text string) {
	b.t.Helper()
	b.told(healer.EventDraining, text)
	b.wait("M1", healer.EventHealed, generous)
}

// offlineUntil waits until the node is given up on, told as text, and for its
// return once the fault is gone.
func (b *broken) offlineUntil(text string, mend func()) {
	b.t.Helper()
	b.told(healer.EventOffline, text)
	mend()
	b.wait("M1", healer.EventHealed, generous)
}

func TestL01GenerationHangsIsReloaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.HangInstances()
		b.healed("wedged")
	})
}

func TestL02ServerStopsAnsweringIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, true)
		fake.Break(nodetest.Hang)
		b.healed("server hung")
	})
}

func TestL03CrashedModelIsReloaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Break(nodetest.Crashed)
		b.healed("erroring: model process crashed")
	})
}

func TestL04ListedAndDeadIsReloaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.HangInstances()
		b.told(healer.EventDraining, "lists are answered, questions are not")
		b.wait("M1", healer.EventHealed, generous)
		if n := len(fake.CallsTo(nodetest.Unloads)); n == 0 {
			t.Error("the dead instance was not unloaded")
		}
	})
}

func TestL05VanishedModelIsLoaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		b.breaks(func() { fake.ExpireIn(0) }, healer.EventDraining, "model missing")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestL06NothingLoadedAtTheStartIsLoaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c, _ := loneStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}, Loaded: []string{}})
		c.run()
		c.wait("M1", healer.EventHealed, generous)
	})
}

func TestL07DuplicateIsUnloadedInService(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.AddInstance("good")
		b.told(healer.EventRepair, "2 instances")
		b.until("one instance is left", generous, func() bool { return len(fake.Loaded()) == 1 })
		if left := b.texts("M1", healer.EventDraining); len(left) > 0 {
			t.Errorf("it left the route: %q", left)
		}
	})
}

func TestL08NothingJustInTimeIsLoadedExplicitly(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Configure(func(s *nodetest.LMStudioSettings) { s.NoJIT = true })
		fake.Drop()
		b.healed("model missing")
	})
}

func TestL09AnotherModelAnswersIsTold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Break(nodetest.AnotherModelAnswers)
		b.offlineUntil("drift", func() { fake.Mend() })
	})
}

func TestL11LoadHangsIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, true)
		fake.Break(nodetest.LoadHangs)
		fake.Drop()
		b.told(healer.EventRepair, "restarting the server")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestL12SnapshotFailureIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, true)
		b.breaks(func() {
			fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: "Attempt to pull a snapshot of system resources failed", Times: 2})
			fake.Drop()
		}, healer.EventRepair, "restart")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestL13GuardrailIsToldAndNotLoopedOn(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		const text = "Model loading was stopped due to insufficient system resources. Under the current settings, this model requires approximately 42.10 GB of memory"
		fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: text})
		fake.Drop()
		b.told(healer.EventRepair, "not enough memory")
		b.offlineUntil("model missing", func() { fake.Mend() })
	})
}

func TestL14LoadFailureWithoutAReasonIsToldWithWhereToLook(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Break(nodetest.LoadFails)
		fake.Drop()
		b.told(healer.EventRepair, "own log")
		b.offlineUntil("model missing", func() { fake.Mend() })
	})
}

func TestL15LostGPUIsReloadedThenTold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.BreakWith(nodetest.ErrorFrame, nodetest.Detail{Text: "vk::Queue::submit: ErrorDeviceLost"})
		b.offlineUntil("ErrorDeviceLost", func() { fake.Mend() })
	})
}

func TestL17TruncatedStreamIsTold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Break(nodetest.NoEndMark)
		b.offlineUntil("erroring: answer cut off", func() { fake.Mend() })
	})
}

func TestL18EmptyStreamIsTold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		fake.Break(nodetest.EmptyStream)
		b.offlineUntil("erroring: empty answer", func() { fake.Mend() })
	})
}

func TestL20OldServerIsWatchedReadOnly(t *testing.T) {
	virtually(t, func(t *testing.T) {
		c, fake := loneStudio(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}, Version: "0.3.31"})
		c.start()
		c.mark()
		b := &broken{c, fake.Server}
		b.breaks(fake.Drop, healer.EventOffline, "")
		if calls := fake.CallsTo(nodetest.Loads | nodetest.Unloads); len(calls) > 0 {
			t.Errorf("a read-only server was asked to %s %s", calls[0].Method, calls[0].Path)
		}
		fake.Replace("good")
		c.wait("M1", healer.EventHealed, generous)
	})
}

func TestL21SilentStreamOfABusyServerIsLeftAlone(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := studio(t, false)
		r := b.healer.Route().Begin("M1")
		defer r.Done()
		fake.Break(nodetest.Wedged) // a canary waits behind a long generation
		b.until("busy was told", generous, func() bool {
			r.Token() // which moves on
			return len(b.texts("M1", healer.EventBusy)) > 0
		})
		if left := b.texts("M1", healer.EventDraining); len(left) > 0 {
			t.Errorf("it left the route: %q", left)
		}
	})
}
