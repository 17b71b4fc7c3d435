package healer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// thinker answers each question after so many pieces of thinking.
type thinker struct {
	pieces int
	each   time.Duration
	limit  int // of tokens, where less than the request's
	say    string
}

func (k thinker) Probe(context.Context) (nodes.Snapshot, error) {
	return nodes.Snapshot{Loaded: []nodes.Instance{{ID: simModel, Model: simModel}}}, nil
}

func (k thinker) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	reply := nodes.ChatReply{Model: req.Model}
	for range k.pieces {
		if !pause(ctx, k.each) {
			return reply, &nodes.Error{Action: "chat", Fault: nodes.TimedOut, Err: ctx.Err()}
		}
		req.OnToken("hm ")
		reply.Tokens++
		if reply.Tokens >= min(k.limit, req.MaxTokens) {
			reply.Thinking, reply.Finish = "hm hm", "length"
			return reply, nil
		}
	}
	reply.Text, reply.Finish = k.say, "stop"
	return reply, nil
}

// TestQuestionsOfThinkers grades only what was answered: a model that is cut
// while it thinks is not a wrong one, and one that hangs is not a slow one.
func TestQuestionsOfThinkers(t *testing.T) {
	const many = 1 << 20
	tests := []struct {
		name         string
		model        thinker
		right, asked int
		fault        nodes.Fault
	}{
		{"answers after thinking", thinker{10, time.Second, many, "4"}, 1, 3, ""},
		{"runs out of tokens while thinking", thinker{many, time.Millisecond, 100, ""}, 0, 0, ""},
		{"runs out of time while thinking", thinker{many, 3 * time.Second, many, ""}, 0, 0, ""},
		{"rambles to the limit", thinker{1, time.Millisecond, many, "GGGGGGGG"}, 0, 3, ""},
		{"never begins", thinker{1, time.Hour, many, ""}, 0, 0, nodes.TimedOut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node, err := nodes.New(nodes.Node{Name: "M1", Backend: tt.model, Wanted: nodes.Model{Name: simModel}})
				if err != nil {
					t.Fatal(err)
				}
				set, err := nodes.NewSet(node)
				if err != nil {
					t.Fatal(err)
				}
				h, err := New(Config{Nodes: set})
				if err != nil {
					t.Fatal(err)
				}
				w := worker{healer: h, node: node}
				s, _ := w.do(t.Context(), op{kind: opQuestions, model: node.Wanted}, false)
				if s.right != tt.right || s.graded != tt.asked || s.fault != tt.fault {
					t.Errorf("%d of %d right, fault %q; want %d of %d, %q", s.right, s.graded, s.fault, tt.right, tt.asked, tt.fault)
				}
			})
		})
	}
}
