package healer_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// From 0.30 on the runner of an Ollama is a llama-server. The tests below play what
// version 0.33 was seen to do, with the default policy, as its times count.

// newOllama is a fake Ollama 0.33 as node M1, checked with the default policy. It
// can be restarted, so that a repair that is not needed would be seen.
func newOllama(t *testing.T) (*broken, *nodetest.Ollama, *http.Client) {
	t.Helper()
	var fake *nodetest.Ollama
	var client *http.Client
	e := engine{"ollama", true, func(t *testing.T, o nodetest.Options) (*nodetest.Server, nodes.Backend) {
		fake = nodetest.NewOllama(t, o)
		client = &http.Client{Transport: o.Network.Transport()}
		return fake.Server, must[*ollama.Backend](t)(ollama.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: o.Network.Transport()}))
	}}
	b := newBroken(t, e, nodetest.Options{Version: "0.33.0", Models: []nodetest.Model{{Name: "good"}, {Name: "other"}}}, true)
	b.policy = healer.DefaultPolicy()
	b.start()
	b.mark()
	return b, fake, client
}

// asks asks the server itself, and returns the answer and how long it took.
func asks(t *testing.T, client *http.Client, url string) (string, time.Duration) {
	t.Helper()
	began := time.Now()
	resp, err := client.Post(url+"/api/chat", "application/json",
		strings.NewReader(`{"model":"good","stream":false,"messages":[{"role":"user","content":"2+2"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), time.Since(began)
}

// TestRunnerThatOllamaReplaces: a runner hangs, and with it the list of loaded
// models, as long as a client's question does. After 20 s the server has replaced
// the runner itself. Whenever in its minute the healer looks, it repairs nothing.
func TestRunnerThatOllamaReplaces(t *testing.T) {
	for at := time.Duration(0); at < time.Minute; at += 5 * time.Second {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				b, fake, client := newOllama(t)
				time.Sleep(at)
				fake.HangRunners()
				answer, took := asks(t, client, fake.URL)
				if !strings.Contains(answer, `"content":"4"`) || took < 15*time.Second || took > 25*time.Second {
					t.Errorf("%s after %s", answer, took)
				}
				time.Sleep(5 * time.Minute)
				if told := b.texts("M1", healer.EventRepair, healer.EventOffline, healer.EventRollback); len(told) > 0 {
					t.Errorf("%q", told)
				}
				if s := b.status("M1"); s.State != healer.Healthy {
					t.Errorf("state %s", s.State)
				}
			})
		})
	}
}

// TestSilentListThatStaysIsRestarted: a scheduler that is wedged is repaired, after
// the time in which the server would have replaced a runner.
func TestSilentListThatStaysIsRestarted(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, _ := newOllama(t)
		began := time.Now()
		fake.Break(nodetest.SchedulerWedged)
		b.told(healer.EventRepair, "server hung: restarting the server")
		if took := time.Since(began); took < 20*time.Second || took > 2*time.Minute {
			t.Errorf("restarted after %s", took)
		}
		b.wait("M1", healer.EventHealed, generous)
	})
}

// TestNewOllamaIsHealed: the faults that such a server does not mend itself.
func TestNewOllamaIsHealed(t *testing.T) {
	for _, tt := range []struct {
		name, part string
		do         func(*nodetest.Ollama)
	}{
		{"unloaded", "model missing", func(f *nodetest.Ollama) { f.Drop() }},
		{"another model", "drift", func(f *nodetest.Ollama) { f.Replace("other") }},
		{"runner died", "model process crashed", func(f *nodetest.Ollama) { f.Break(nodetest.Crashed) }},
		{"server down", "server down", func(f *nodetest.Ollama) { f.Break(nodetest.Down) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				b, fake, _ := newOllama(t)
				tt.do(fake)
				b.until("M1 is told "+tt.part, 30*time.Minute, func() bool {
					return strings.Contains(strings.Join(b.texts("M1", healer.EventDraining), "\n"), tt.part)
				})
				b.wait("M1", healer.EventHealed, 30*time.Minute)
			})
		})
	}
}

// TestIdleHangingRunnerOfNewOllama: nobody asks, so that nothing but the canary
// tells. It waits for longer than the server takes to replace the runner: no repair.
func TestIdleHangingRunnerOfNewOllama(t *testing.T) {
	virtually(t, func(t *testing.T) {
		b, fake, _ := newOllama(t)
		loads := fake.LoadCount()
		fake.HangRunners()
		b.until("the runner is replaced", 30*time.Minute, func() bool { return fake.LoadCount() > loads })
		time.Sleep(5 * time.Minute)
		if told := b.texts("M1", healer.EventRepair, healer.EventDraining, healer.EventOffline); len(told) > 0 {
			t.Errorf("%q", told)
		}
	})
}
