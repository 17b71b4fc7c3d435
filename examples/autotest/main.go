// Command autotest asks a model questions, and records how it did in the
// history: after each cycle, so that a run that is cut short is there, too.
//
//	go run ./examples/autotest http://127.0.0.1:11434 llama3.1:8b history.json
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/history/filestore"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/scoring"
)

const (
	tasks  = 8
	cycles = 3
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: autotest URL MODEL HISTORY")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := autotest(ctx, os.Args[1], os.Args[2], filestore.Open(os.Args[3]), time.Now()); err != nil {
		log.Fatal(err)
	}
}

// autotest asks the model on an Ollama server. A run is told from others by its
// model and by when it started.
func autotest(ctx context.Context, url, model string, store history.HistoryStore, started time.Time) error {
	questions, err := suite.Builtin()
	if err != nil {
		return err
	}
	questions = questions.Draw(tasks, 0)
	backend, err := ollama.New(nodes.Connection{Node: "OL1", URL: url})
	if err != nil {
		return err
	}
	run := history.Result{Started: started, Model: model, Node: "OL1", Suite: questions.Hash()}
	for cycle := range cycles {
		for _, task := range questions.Tasks() {
			test, err := ask(ctx, backend, model, task, cycle)
			if err != nil {
				return err
			}
			run.Results = append(run.Results, test)
		}
		// The hook. The cycle before is replaced: it is the same run.
		done, err := history.AppendToHistory(ctx, store, run)
		if err != nil {
			return err
		}
		fmt.Printf("cycle %d: %d tests, %d runs in the history\n", cycle+1, len(run.Results), done.Total)
	}
	return nil
}

// ask makes one test. A server that doesn't answer is no wrong answer.
func ask(ctx context.Context, backend nodes.Backend, model string, task suite.Task, cycle int) (scoring.Test, error) {
	test := scoring.Test{Task: task.ID, Domain: task.Domain, Cycle: cycle, Outcome: scoring.Answered}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reply, err := backend.Chat(limited, nodes.ChatRequest{
		Model: model, Messages: []nodes.Message{{Role: nodes.RoleUser, Text: task.Prompt}}, MaxTokens: 1024, Stream: true,
	})
	switch {
	case ctx.Err() != nil:
		return test, context.Cause(ctx)
	case err != nil:
		test.Outcome = scoring.Failed
	default:
		test.Passed = task.Grader.Grade(task.Prompt, reply.Text)
		test.Latency, test.FirstToken, test.Tokens = reply.Duration, reply.FirstToken, reply.Tokens
	}
	return test, nil
}
