package healer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/llamacpp"
	"github.com/turbone/jarvis/nodes/nodetest"
)

// The ways in which a llama-server fails, or seems to.

// llama is a fake llama-server as node M1, with a restart command that is counted.
func llama(t *testing.T, router bool, o nodetest.Options) (*broken, *nodetest.LlamaCPP, *countedRestart) {
	t.Helper()
	var fake *nodetest.LlamaCPP
	e := engine{"llamacpp", router, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
		if fake = nodetest.NewLlamaCPP(t, o); router {
			fake = nodetest.NewLlamaCPPRouter(t, o)
		}
		return fake.Server, must[*llamacpp.Backend](t)(llamacpp.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: o.Network.Transport()}))
	}}
	if o.Models == nil {
		o.Models = []nodetest.Model{{Name: "good"}, {Name: "other"}}
	}
	b := newBroken(t, e, o, true)
	restart := &countedRestart{restart: fake.Restart}
	n := *b.list[0]
	n.Restarter = restart
	b.list[0] = must[*nodes.Node](t)(nodes.New(n))
	return b, fake, restart
}

// countedRestart is a restart command.
type countedRestart struct {
	count   atomic.Int32
	restart func()
}

func (r *countedRestart) Restart(context.Context) (string, error) {
	r.count.Add(1)
	r.restart()
	return "", nil
}

// probes waits for so many more probes of M1.
func (b *broken) probes(n int) {
	b.t.Helper()
	from := b.status("M1").LastCheck
	b.until("M1 was probed again", generous, func() bool {
		return b.status("M1").LastCheck.Sub(from) > time.Duration(n)*b.policy.Interval
	})
}

// undisturbed fails the test if something was done about M1.
func (b *broken) undisturbed(fake *nodetest.LlamaCPP, restart *countedRestart) {
	b.t.Helper()
	if left := b.texts("M1", healer.EventSuspect, healer.EventDraining, healer.EventOffline, healer.EventRepair); len(left) > 0 {
		b.t.Errorf("it was taken for ill: %q", left)
	}
	if n := len(fake.CallsTo(nodetest.Loads | nodetest.Unloads)); n > 0 || restart.count.Load() > 0 {
		b.t.Errorf("%d loads and unloads, %d restarts", n, restart.count.Load())
	}
}

// chat asks as a client does.
func chat(t *testing.T, n *nodes.Node) {
	t.Helper()
	if _, err := n.Ask(t.Context(), nodes.ChatRequest{
		Model: "good", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2+2?"}},
	}); err != nil {
		t.Error(err)
	}
}

func TestSleepingServerIsHealthyAndStaysAsleep(t *testing.T) {
	for name, router := range map[string]bool{"one model": false, "router": true} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				b, fake, restart := llama(t, router, nodetest.Options{})
				b.policy.CanaryEvery, b.policy.QuestionsEvery = 800*time.Millisecond, 800*time.Millisecond
				fake.Configure(func(s *nodetest.LlamaCPPSettings) { s.SleepIdle = 300 * time.Millisecond })
				b.start()
				b.mark()
				b.until("it sleeps", generous, fake.Asleep)
				asked := len(fake.CallsTo(nodetest.Chats))
				b.probes(30) // several times a canary's and the questions' turn
				b.undisturbed(fake, restart)
				if n := len(fake.CallsTo(nodetest.Chats)) - asked; n != 0 || !fake.Asleep() {
					t.Errorf("asked %d times, asleep: %t", n, fake.Asleep())
				}
				if s := b.status("M1"); s.State != healer.Healthy || !s.Asleep {
					t.Errorf("state %s, asleep %t", s.State, s.Asleep)
				}
				chat(t, b.list[0])
				if fake.Asleep() {
					t.Error("a chat does not wake it")
				}
				b.until("it was asked after it woke", generous, func() bool { return len(fake.CallsTo(nodetest.Chats)) > asked+2 })
				b.undisturbed(fake, restart)
			})
		})
	}
}

func TestServerAsleepAtTheStartServesAndIsAskedWhenItWakes(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, restart := llama(t, false, nodetest.Options{})
		b.policy.CanaryEvery, b.policy.QuestionsEvery = time.Hour, time.Hour
		fake.Sleep()
		b.start()
		b.probes(5)
		if n := len(fake.CallsTo(nodetest.Chats)); n != 0 || !fake.Asleep() {
			t.Errorf("asked %d times, asleep: %t", n, fake.Asleep())
		}
		chat(t, b.list[0])
		b.until("the questions", generous, func() bool { return len(fake.CallsTo(nodetest.Chats)) >= 4 })
		b.undisturbed(fake, restart)
	})
}

// TestFaultOfASleeperIsFollowedUp: what failed is asked again, also if that wakes it.
func TestFaultOfASleeperIsFollowedUp(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, _ := llama(t, true, nodetest.Options{})
		b.start()
		b.mark()
		fake.Break(nodetest.Wedged)
		b.told(healer.EventSuspect, "")
		fake.Sleep()
		b.told(healer.EventDraining, "wedged")
		b.wait("M1", healer.EventHealed, generous)
	})
}

func TestBadModelOfAReadOnlyServerIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, restart := llama(t, false, nodetest.Options{})
		restart.restart = func() {
			fake.Mend(nodetest.WrongAnswers)
			fake.Restart()
		}
		b.start()
		b.mark()
		fake.Break(nodetest.WrongAnswers)
		b.healed("bad model")
		if n := restart.count.Load(); n != 1 {
			t.Errorf("%d restarts, want 1", n)
		}
	})
}

func TestMissingFileRestartsNothingAndIsSeenWhenItCame(t *testing.T) {
	for name, lost := range map[string]bool{"never there": false, "listed and gone": true} {
		t.Run(name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				all := []nodetest.Model{{Name: "other"}}
				if lost {
					all = append(all, nodetest.Model{Name: "good"})
				}
				b, fake, restart := llama(t, true, nodetest.Options{Models: all, Loaded: []string{}})
				if lost {
					fake.Configure(func(*nodetest.LlamaCPPSettings) {})
					if _, err := b.list[0].Probe(t.Context()); err != nil { // the router has read its folder
						t.Fatal(err)
					}
					fake.SetModels(nodetest.Model{Name: "other"})
				}
				b.run()
				b.told(healer.EventOffline, "folder")
				b.probes(100) // it is tried again and again
				if n := restart.count.Load(); n != 0 {
					t.Errorf("%d restarts for a file that is not there", n)
				}
				fake.SetModels(nodetest.Model{Name: "other"}, nodetest.Model{Name: "good"})
				b.wait("M1", healer.EventHealed, generous)
			})
		})
	}
}

func TestHalfDeadProcessIsUnloadedAndLoaded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, restart := llama(t, true, nodetest.Options{})
		n := *b.list[0]
		n.UnloadTimeout = 0 // the default
		b.list[0] = must[*nodes.Node](t)(nodes.New(n))
		b.start()
		b.mark()
		fake.Break(nodetest.HalfDead)
		b.healed("Could not establish connection")
		if n := restart.count.Load(); n != 0 || len(fake.CallsTo(nodetest.Unloads)) != 1 || len(fake.CallsTo(nodetest.Loads)) != 1 {
			t.Errorf("%d restarts, %d unloads, %d loads", n, len(fake.CallsTo(nodetest.Unloads)), len(fake.CallsTo(nodetest.Loads)))
		}
	})
}

// TestUnloadWithAStreamUnderWay: the router kills the process after ten seconds and
// lists a failure, which is none. Another client's chat, which waits for that, loads
// the model at once again.
func TestUnloadWithAStreamUnderWay(t *testing.T) {
	t.Run("alone", func(t *testing.T) { unloadWithAStream(t, false) })
	t.Run("while another client waits", func(t *testing.T) { unloadWithAStream(t, true) })
}

func unloadWithAStream(t *testing.T, another bool) {
	virtually(t, func(t *testing.T) {
		b, fake, _ := llama(t, true, nodetest.Options{})
		n := *b.list[0]
		n.UnloadTimeout = 0 // the default
		node := must[*nodes.Node](t)(nodes.New(n))
		fake.Break(nodetest.HangMidAnswer)
		broke := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			_, err := node.Ask(t.Context(), nodes.ChatRequest{
				Model: "good", Stream: true, OnToken: func(string) { close(began) },
				Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2+2?"}, {Role: nodes.RoleUser, Text: "What is 6 times 7 and the capital of Italy?"}},
			})
			broke <- err
		}()
		<-began
		from := time.Now()
		var waited error
		var waiting sync.WaitGroup
		if another {
			waiting.Go(func() {
				time.Sleep(time.Second) // in the middle of the unload
				_, waited = node.Ask(t.Context(), nodes.ChatRequest{Model: "good", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "What is 2+2?"}}})
			})
		}
		inst, err := node.Ensure(t.Context(), nodes.Model{Name: "good"}, nodes.EnsureOptions{Reload: true})
		if took := time.Since(from); err != nil || inst.ID != "good" || took < 10*time.Second || took > 12*time.Second {
			t.Errorf("got %+v, %v after %s", inst, err, took)
		}
		fake.Mend()
		if waiting.Wait(); waited != nil {
			t.Errorf("the other client got %v", waited)
		}
		if err := <-broke; !errors.Is(err, nodes.Crashed) || !strings.Contains(err.Error(), "Failed to read connection") {
			t.Errorf("the stream ended in %v", err)
		}
	})
}
