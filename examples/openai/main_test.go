package main

import (
	"context"
	"strings"
	"testing"

	"github.com/sourcegraph/conc"

	"github.com/turbone/jarvis/nodes/nodetest"
)

const story = "Once upon a time there was a server that nobody looked after, and it answered all the same."

// TestAsk: the server that answers breaks off in mid-sentence, and the program
// prints the whole of it.
func TestAsk(t *testing.T) {
	known := nodetest.Knowledge() // what the healer asks is among it
	known["tell a story"] = story
	model := nodetest.Model{Name: "good", Knowledge: known}
	first := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{model}})
	second := nodetest.NewLlamaCPP(t, nodetest.Options{Models: []nodetest.Model{model}})
	h, err := watch([]string{first.URL, second.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var background conc.WaitGroup
	background.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer background.Wait()
	defer cancel()
	first.BreakWith(nodetest.CutOff, nodetest.Detail{After: 7, Routes: nodetest.Chats})
	var out strings.Builder
	if err := ask(ctx, h.Route(), "tell a story", &out); err != nil || !strings.HasPrefix(out.String(), story+"\n") {
		t.Errorf("%v, %q", err, out.String())
	}
}
