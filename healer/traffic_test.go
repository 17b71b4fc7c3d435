package healer_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// TestOneFailedRequestIsEnough: the healer, which would look again in an hour,
// knows of a fault by the first request that meets it, and the request is
// answered all the same.
func TestOneFailedRequestIsEnough(t *testing.T) {
	for _, test := range []struct {
		fault nodetest.Fault
		by    string           // what makes it suspect
		leads healer.EventType // how it ends
	}{
		{nodetest.Down, "a request failed", healer.EventDraining},
		{nodetest.Hang, "a request failed", healer.EventDraining},
		// An error may be the request's: the node's own check decides.
		{nodetest.Status500, "server error", healer.EventDraining},
		{nodetest.Wedged, "a request failed", healer.EventDraining},
		{nodetest.NotJSON, "a request failed", healer.EventDraining},
		{nodetest.CutOff, "a request failed", healer.EventDraining},
		{nodetest.HangMidAnswer, "a request failed", healer.EventDraining},
		{nodetest.EmptyStream, "empty answer", healer.EventDraining},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			t.Parallel()
			var fakes []*nodetest.Ollama
			var list []*nodes.Node
			for _, name := range []string{"M1", "M2"} {
				fake := nodetest.NewOllama(t, nodetest.Options{Models: []nodetest.Model{{Name: "good"}}})
				backend, err := ollama.New(nodes.Connection{Node: name, URL: fake.URL})
				if err != nil {
					t.Fatal(err)
				}
				n, err := nodes.New(nodes.Node{Name: name, Engine: "ollama", Backend: backend, Wanted: nodes.Model{Name: "good"}, ProbeTimeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				fakes, list = append(fakes, fake), append(list, n)
			}
			c := newCluster(t, list...)
			c.policy.Interval, c.policy.CanaryEvery, c.policy.QuestionsEvery = time.Hour, time.Hour, time.Hour
			c.start()
			defer c.stop()
			limit := time.Second
			transport, err := gateway.NewTransport(c.healer.Route(), gateway.Options{FirstToken: limit, Answer: limit, Between: limit})
			if err != nil {
				t.Fatal(err)
			}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			if by, err := askOnce(client); err != nil || by != "M1" {
				t.Fatalf("before the fault %q answered: %v", by, err)
			}
			fakes[0].Break(test.fault)
			c.mark()
			if _, err := askOnce(client); err != nil {
				t.Errorf("the request that met the fault: %v", err)
			}
			suspect := c.wait("M1", healer.EventSuspect, generous)
			if !strings.Contains(suspect.Text(), test.by) {
				t.Errorf("suspect by %q, want by %q", suspect.Text(), test.by)
			}
			c.wait("M1", test.leads, generous)
			if by, err := askOnce(client); err != nil || by != "M2" {
				t.Errorf("afterwards %q answered: %v", by, err)
			}
		})
	}
}

// askOnce asks a question as a stream, and returns who answered.
func askOnce(client *http.Client) (by string, err error) {
	body := `{"model":"auto","stream":true,"messages":[{"role":"user","content":"What is the capital of Italy?"}]}`
	resp, err := client.Post("http://cluster/v1/chat/completions", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode != http.StatusOK, !strings.HasSuffix(string(answer), "data: [DONE]\n\n"), !strings.Contains(string(answer), "Rome"):
		return "", fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return resp.Header.Get(gateway.HeaderNode), nil
}
