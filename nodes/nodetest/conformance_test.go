package nodetest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/openai"
)

// breachEnv names the breach of contract that TestBreach plays.
const breachEnv = "JARVIS_NODETEST_BREACH"

// broken is a good backend with one breach of the contract.
type broken struct {
	nodes.Backend
	probe func(context.Context, nodes.Backend) (nodes.Snapshot, error)
	chat  func(context.Context, nodes.Backend, nodes.ChatRequest) (nodes.ChatReply, error)
}

func (b broken) Probe(ctx context.Context) (nodes.Snapshot, error) {
	if b.probe != nil {
		return b.probe(ctx, b.Backend)
	}
	return b.Backend.Probe(ctx)
}

func (b broken) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	if b.chat != nil {
		return b.chat(ctx, b.Backend, req)
	}
	return b.Backend.Chat(ctx, req)
}

const breachKey = "sk-that-must-not-show"

var breaches = map[string]struct {
	how    broken
	report string // what Run must say
}{
	"none": {broken{}, ""},
	"a goroutine lives on": {broken{chat: func(ctx context.Context, b nodes.Backend, req nodes.ChatRequest) (nodes.ChatReply, error) {
		go func() { <-context.Background().Done() }()
		return b.Chat(ctx, req)
	}}, "a goroutine lives on"},
	"the key in an error": {broken{probe: func(ctx context.Context, b nodes.Backend) (nodes.Snapshot, error) {
		s, err := b.Probe(ctx)
		var e *nodes.Error
		if errors.As(err, &e) {
			e.Detail += breachKey
		}
		return s, err
	}}, "the key is in the error's text"},
	"no node in an error": {broken{probe: func(ctx context.Context, b nodes.Backend) (nodes.Snapshot, error) {
		s, err := b.Probe(ctx)
		var e *nodes.Error
		if errors.As(err, &e) {
			e.Node = ""
		}
		return s, err
	}}, "does not name its node"},
	"an error without a fault": {broken{probe: func(ctx context.Context, b nodes.Backend) (nodes.Snapshot, error) {
		s, err := b.Probe(ctx)
		if err != nil && ctx.Err() == nil {
			err = errors.New("O1: something")
		}
		return s, err
	}}, `fault ""`},
	"half an answer taken for a whole": {broken{chat: func(ctx context.Context, b nodes.Backend, req nodes.ChatRequest) (nodes.ChatReply, error) {
		reply, err := b.Chat(ctx, req)
		if errors.Is(err, nodes.CutOff) {
			err = nil
		}
		return reply, err
	}}, "no error"},
	"pieces kept back": {broken{chat: func(ctx context.Context, b nodes.Backend, req nodes.ChatRequest) (nodes.ChatReply, error) {
		req.OnToken = nil
		return b.Chat(ctx, req)
	}}, "don't hold the answer"},
	"a probe that asks": {broken{probe: func(ctx context.Context, b nodes.Backend) (nodes.Snapshot, error) {
		s, err := b.Probe(ctx)
		if err == nil {
			_, err = b.Chat(ctx, nodes.ChatRequest{Model: "good", Messages: []nodes.Message{{Role: nodes.RoleUser, Text: "hi"}}})
		}
		return s, err
	}}, "a probe asked for more than lists"},
	"deaf to its context": {broken{probe: func(_ context.Context, b nodes.Backend) (nodes.Snapshot, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return b.Probe(ctx)
	}}, "want the cancellation"},
}

// TestBreach is run by TestRunCatchesBreaches, in a process of its own, since
// it is meant to fail.
func TestBreach(t *testing.T) {
	breach, ok := breaches[os.Getenv(breachEnv)]
	if !ok {
		return
	}
	nodetest.Run(t, func(t *testing.T) nodetest.Subject {
		fake := nodetest.NewOpenAI(t, nodetest.Options{Key: breachKey})
		b, err := openai.New(nodes.Connection{Node: "O1", URL: fake.URL, Key: nodes.NewSecret(breachKey)})
		if err != nil {
			t.Fatal(err)
		}
		subject := breach.how
		subject.Backend = b
		return nodetest.Subject{
			Backend: subject, Node: "O1", Key: nodes.NewSecret(breachKey), Model: "good",
			Faulty: fake, Faults: []nodetest.Fault{nodetest.CutOff, nodetest.Unauthorized},
		}
	})
}

func TestRunCatchesBreaches(t *testing.T) {
	for name, breach := range breaches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBreach$")
			cmd.Env = append(os.Environ(), breachEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if passed := err == nil; passed != (breach.report == "") || !strings.Contains(string(out), breach.report) {
				t.Errorf("passed: %t; want a report of %q in:\n%s", passed, breach.report, out)
			}
		})
	}
}
