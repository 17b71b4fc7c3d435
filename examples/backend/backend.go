// Package backend shows how to bring an engine of one's own: a backend of two
// methods, held to the contract by nodetest.Run in the test beside it.
//
// The engine is a small service in the house. GET /state tells its model, POST
// /ask answers a question. It serves one model, and can't load another.
package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Backend speaks to one server of the house's own engine.
type Backend struct {
	Node string // its name, for errors
	URL  string
	Key  nodes.Secret
}

// Probe implements [nodes.Backend].
func (b *Backend) Probe(ctx context.Context) (nodes.Snapshot, error) {
	began := time.Now()
	var state struct{ Model string }
	if err := b.call(ctx, "probe", "GET", "/state", nil, &state); err != nil {
		return nodes.Snapshot{}, err
	}
	s := nodes.Snapshot{ReadOnly: true, Latency: time.Since(began)}
	if state.Model != "" {
		s.Loaded = []nodes.Instance{{ID: state.Model, Model: state.Model}}
	}
	return s, nil
}

// Chat implements [nodes.Backend].
func (b *Backend) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	if req.OnlyLoaded { // the engine answers for whatever name it is asked
		s, err := b.Probe(ctx)
		if err != nil {
			return nodes.ChatReply{}, err
		}
		if len(s.Loaded) == 0 || s.Loaded[0].Model != req.Model {
			return nodes.ChatReply{}, &nodes.Error{Node: b.Node, Action: "chat", Fault: nodes.NotLoaded, Detail: req.Model}
		}
	}
	if req.FirstToken > 0 { // the answer comes in one piece
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.FirstToken)
		defer cancel()
	}
	began := time.Now()
	var answer struct {
		Model, Text string
		Words       int
	}
	question := map[string]string{"prompt": req.Messages[len(req.Messages)-1].Text}
	if err := b.call(ctx, "chat", "POST", "/ask", question, &answer); err != nil {
		return nodes.ChatReply{}, err
	}
	if req.OnToken != nil && answer.Text != "" {
		req.OnToken(answer.Text)
	}
	took := time.Since(began)
	return nodes.ChatReply{Model: answer.Model, Text: answer.Text, Tokens: answer.Words, FirstToken: took, Duration: took, Finish: "stop"}, nil
}

// call makes every failure an error with its fault.
func (b *Backend) call(ctx context.Context, action, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return b.fail(action, nodes.BadRequest, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.URL+path, bytes.NewReader(body))
	if err != nil {
		return b.fail(action, nodes.BadRequest, err)
	}
	req.Header.Set("Authorization", "Bearer "+b.Key.Reveal())
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %s: %w", b.Node, action, err)
	case errors.Is(err, context.DeadlineExceeded):
		return b.fail(action, nodes.TimedOut, err)
	case errors.Is(err, syscall.ECONNREFUSED): // on Windows the number is 10061
		return b.fail(action, nodes.Refused, err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return b.fail(action, nodes.Unreachable, err)
	case err != nil:
		return b.fail(action, nodes.CutOff, err)
	case resp.StatusCode == http.StatusUnauthorized:
		return b.fail(action, nodes.Unauthorized, errors.New("401"))
	case resp.StatusCode >= 500:
		return b.fail(action, nodes.ServerFailed, errors.New(resp.Status))
	case resp.StatusCode != http.StatusOK || json.Unmarshal(body, out) != nil:
		return b.fail(action, nodes.Protocol, errors.New("not an answer of this engine"))
	}
	return nil
}

func (b *Backend) fail(action string, f nodes.Fault, err error) error {
	return &nodes.Error{Node: b.Node, Action: action, Fault: f, Err: err}
}
