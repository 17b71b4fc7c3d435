package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes/gateway"
)

// await blocks until a node has had an event of that type.
func await(ctx context.Context, watch healer.Healer, node string, wanted healer.EventType, out io.Writer) error {
	for e, err := range watch.Events(ctx, 0) {
		if err != nil {
			return err
		}
		if e.Node == node && e.Type == wanted {
			fmt.Fprintln(out, "healer:", e)
			return nil
		}
	}
	return ctx.Err()
}

// ask asks the cluster a question.
func ask(ctx context.Context, client *http.Client, out io.Writer) error {
	const question = `{"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cluster/v1/chat/completions", strings.NewReader(question))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d: %s: %w", resp.StatusCode, answer, err)
	}
	fmt.Fprintf(out, "client: %s answered\n", resp.Header.Get(gateway.HeaderNode))
	return nil
}
