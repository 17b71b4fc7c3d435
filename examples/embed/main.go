// Command embed is a program of another module that embeds Jarvis: a healer, a
// route, a tournament and a history, each behind its interface, with a backend,
// a scorer and a store of its own. It needs no server, since it starts fakes.
//
//	go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/arena/suite"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
	"github.com/turbone/jarvis/nodes/route"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run shows a repair and a tournament, and writes what happens to out.
func run(ctx context.Context, out io.Writer) (err error) {
	// The servers: an Ollama with two models, and one of the house's own engine.
	tasks, err := suite.Builtin()
	if err != nil {
		return err
	}
	servers, err := startServers(tasks)
	if err != nil {
		return err
	}
	defer servers.Close()

	// The cluster.
	engine, err := ollama.New(nodes.Connection{Node: "OL1", URL: servers.ollama.URL})
	if err != nil {
		return err
	}
	first, err := nodes.New(nodes.Node{Name: "OL1", Backend: engine, Wanted: nodes.Model{Name: champion}})
	if err != nil {
		return err
	}
	second, err := nodes.New(nodes.Node{Name: "HOUSE", Backend: &House{Node: "HOUSE", URL: servers.house.URL}})
	if err != nil {
		return err
	}
	cluster, err := nodes.NewSet(first, second)
	if err != nil {
		return err
	}

	// The healer watches it until the program ends.
	table, leases := route.New(first, second), &nodes.MemoryLeases{}
	policy := healer.DefaultPolicy()
	policy.Interval, policy.RetryAfter, policy.Grace = 200*time.Millisecond, 50*time.Millisecond, time.Second
	policy.BackoffInitial, policy.Settle = 50*time.Millisecond, time.Second
	state := servers.dir + "/state.json"
	var watch healer.Healer
	watch, err = healer.New(healer.Config{Nodes: cluster, Policy: policy, Leases: leases, Route: table, StateFile: state})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	var background sync.WaitGroup
	var ended error
	background.Go(func() { ended = watch.Run(running) })
	defer func() {
		end()
		background.Wait()
		err = errors.Join(err, ended)
	}()
	for _, n := range cluster.All() {
		if err := await(ctx, watch, n.Name, healer.EventHealthy, out); err != nil {
			return err
		}
	}

	// A client asks the cluster. What breaks behind it costs it nothing.
	transport, err := gateway.NewTransport(table, gateway.Options{})
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if err := ask(ctx, client, out); err != nil {
		return err
	}
	servers.ollama.Break(nodetest.Crashed) // its model's process dies
	if err := ask(ctx, client, out); err != nil {
		return err
	}
	if err := await(ctx, watch, "OL1", healer.EventHealed, out); err != nil {
		return err
	}

	// A tournament of two models on one node, recorded in the house's own store.
	var store history.HistoryStore = &Ledger{}
	var tournaments arena.Arena
	tournaments, err = arena.New(arena.Config{History: store, Suite: tasks, Leases: leases, Keeper: healer.OpenState(state)})
	if err != nil {
		return err
	}
	result, err := tournaments.Hold(ctx, arena.Request{Node: first, Contest: arena.Challenge{Name: candidate}, Budget: arena.Quick})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "tournament: %s, %s serves on %s\n", result.Verdict, result.Loaded, result.Node)

	// The same tests once more, by the house's own scorer.
	_, err = history.AppendToHistory(ctx, store, history.Result{
		Model: candidate, Node: "OL1", Type: "house", Results: result.CandidateTests, Scorer: Strict{},
	})
	if err != nil {
		return err
	}
	runs, err := store.Runs(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		fmt.Fprintf(out, "history: %-5s %s scored %.1f in %d tests\n", r.Type, r.Model, r.Score, r.Tests)
	}
	return nil
}
