package healer_test

import (
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// The ways in which users see Ollama fail (issues of ollama/ollama), each
// healed, or told as what it is where no repair can help. O10 and O11 (orphans
// and leaks on the host) can't be seen over the network until they end in
// another; O08 is a client's: the canary leaves no request behind, as the
// backend's test of that name shows.

// llamaNode is a fake Ollama as node M1.
func llamaNode(t *testing.T, canRestart bool, models ...nodetest.Model) (*broken, *nodetest.Ollama) {
	t.Helper()
	var fake *nodetest.Ollama
	e := engine{"ollama", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
		fake = nodetest.NewOllama(t, o)
		return fake.Server, must[*ollama.Backend](t)(ollama.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: o.Network.Transport()}))
	}}
	if models == nil {
		models = []nodetest.Model{{Name: "good"}, {Name: "other"}}
	}
	b := newBroken(t, e, nodetest.Options{Models: models}, canRestart)
	b.start()
	b.mark()
	return b, fake
}

func TestO01StuckStoppingIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, true)
		fake.Configure(func(s *nodetest.OllamaSettings) { s.StoppingTime = time.Hour })
		// The wanted model must be loaded, and the other one does not go.
		b.breaks(func() { fake.Replace("other") }, healer.EventRepair, "unload stuck")
		b.told(healer.EventRepair, "restarting the server")
		fake.Configure(func(s *nodetest.OllamaSettings) { s.StoppingTime = 0 })
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestO02HangingGenerationIsReloaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, false)
		fake.HangRunners()
		b.healed("wedged")
	})
}

func TestO03FallBackToTheCPUIsReloaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, false)
		b.settle("M1")
		fake.LoseGPU(0)
		b.healed("on the CPU")
	})
}

func TestO04MemoryNotReleasedIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, true)
		fake.Break(nodetest.MemoryNotFreed)
		b.breaks(func() { fake.Replace("other") }, healer.EventRepair, "not enough memory")
		b.told(healer.EventRepair, "restarting the server")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestO05TerminatedRunnerIsReloaded(t *testing.T) {
	for _, runner := range []string{"llama runner", "llama-server", "mlx runner"} {
		t.Run(runner, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				b, fake := llamaNode(t, false)
				fake.Configure(func(s *nodetest.OllamaSettings) { s.Runner = runner })
				fake.Break(nodetest.Crashed)
				b.healed("erroring: model process crashed")
			})
		})
	}
}

func TestO06HangingGPUIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, true)
		fake.Break(nodetest.Wedged) // a reload does not help
		b.told(healer.EventRepair, "wedged: restarting the server")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestO07LoadTimeOutIsTriedAgain(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, false)
		b.breaks(func() {
			fake.BreakWith(nodetest.LoadFails, nodetest.Detail{Text: "timed out waiting for llama runner to start - progress 0.42 - ", Times: 1})
			fake.Drop()
		}, healer.EventRepair, "repair failed")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestO09ModelLoadedTwiceIsTrimmed(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, false)
		fake.AddInstance("good")
		b.told(healer.EventRepair, "2 instances")
		b.until("one is left", generous, func() bool { return len(fake.Loaded()) == 1 })
	})
}

func TestO12GarbageIsReloadedThenTold(t *testing.T) {
	virtually(t, func(t *testing.T) {
		know := map[string]string{}
		for question := range nodetest.Knowledge() {
			know[question] = "GGGGGGGGGGGGGGGG"
		}
		b, fake := llamaNode(t, false)
		fake.SetModels(nodetest.Model{Name: "good", Knowledge: know})
		fake.Drop()
		b.told(healer.EventRepair, "0 of 3 answers right")
		b.offlineUntil("bad model", func() { fake.SetModels(nodetest.Model{Name: "good"}); fake.Drop() })
	})
}

func TestO13ContextOfAnotherClientIsNotFoughtOver(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, false)
		fake.LoadBehindBack("good", map[string]any{"num_ctx": 8192}, time.Hour)
		before := fake.Reloads()
		from := b.status("M1").LastCheck
		b.until("M1 was checked for a while", generous, func() bool {
			return b.status("M1").LastCheck.Sub(from) > 10*b.policy.Interval
		})
		if again := fake.Reloads() - before; again != 0 {
			t.Errorf("the checks reloaded the model %d times", again)
		}
		if left := b.texts("M1", healer.EventDraining); len(left) > 0 {
			t.Errorf("it left the route: %q", left)
		}
	})
}

func TestO14WedgedSchedulerIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake := llamaNode(t, true)
		fake.BreakWith(nodetest.Hang, nodetest.Detail{Routes: nodetest.Lists})
		b.told(healer.EventDraining, "server hung")
		b.wait("M1", healer.EventHealed, generous)
	})
}
