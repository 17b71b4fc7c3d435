package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// House is a [nodes.Backend] of the house's own engine, which lists the models
// in its memory and answers questions without streaming. It is a
// [nodes.Upstream] as well, so that the gateway forwards requests to it.
type House struct {
	Node string // its name, for errors
	URL  string
	Key  nodes.Secret
}

// Probe implements [nodes.Backend].
func (h *House) Probe(ctx context.Context) (nodes.Snapshot, error) {
	began := time.Now()
	var list struct{ Data []struct{ ID string } }
	if err := h.call(ctx, "probe", http.MethodGet, "/v1/models", nil, &list); err != nil {
		return nodes.Snapshot{}, err
	}
	s := nodes.Snapshot{ReadOnly: true, Latency: time.Since(began)}
	for _, m := range list.Data {
		s.Loaded = append(s.Loaded, nodes.Instance{ID: m.ID, Model: m.ID})
	}
	return s, nil
}

// Chat implements [nodes.Backend]. The engine answers only from memory, so that
// OnlyLoaded is always kept.
func (h *House) Chat(ctx context.Context, req nodes.ChatRequest) (nodes.ChatReply, error) {
	if req.FirstToken > 0 { // the answer comes in one piece
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, req.FirstToken)
		defer cancel()
	}
	type message struct {
		Role    nodes.Role `json:"role"`
		Content string     `json:"content"`
	}
	question := map[string]any{"model": req.Model}
	var messages []message
	for _, m := range req.Messages {
		messages = append(messages, message{m.Role, m.Text})
	}
	question["messages"] = messages
	var answer struct {
		Model   string
		Choices []struct{ Message message }
		Usage   struct {
			Completion int `json:"completion_tokens"`
		}
	}
	began := time.Now()
	if err := h.call(ctx, "chat", http.MethodPost, "/v1/chat/completions", question, &answer); err != nil {
		return nodes.ChatReply{}, err
	}
	took := time.Since(began)
	reply := nodes.ChatReply{Model: answer.Model, Tokens: answer.Usage.Completion, FirstToken: took, Duration: took}
	for _, choice := range answer.Choices {
		reply.Text += choice.Message.Content
	}
	if req.OnToken != nil && reply.Text != "" {
		req.OnToken(reply.Text)
	}
	return reply, nil
}

// Endpoint implements [nodes.Upstream].
func (h *House) Endpoint() nodes.Endpoint {
	base, err := url.Parse(h.URL)
	if err != nil {
		base = &url.URL{} // no request reaches it
	}
	return nodes.Endpoint{
		URL: base, Key: h.Key, APIs: []string{"/v1/chat/completions"}, Continues: nodes.Never,
		Classify: func(status int, _ http.Header, body []byte) *nodes.Error {
			return h.fail("serve", fault(status), errors.New(string(body)))
		},
	}
}

// call sends a request and decodes the answer. Every failure is an error with
// its fault.
func (h *House) call(ctx context.Context, action, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return h.fail(action, nodes.BadRequest, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, h.URL+path, bytes.NewReader(body))
	if err != nil {
		return h.fail(action, nodes.BadRequest, err)
	}
	req.Header.Set("Authorization", "Bearer "+h.Key.Reveal())
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	}
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %s: %w", h.Node, action, err)
	case errors.Is(err, context.DeadlineExceeded):
		return h.fail(action, nodes.TimedOut, err)
	case errors.Is(err, syscall.ECONNREFUSED): // on Windows the number is 10061
		return h.fail(action, nodes.Refused, err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return h.fail(action, nodes.Unreachable, err)
	case err != nil:
		return h.fail(action, nodes.CutOff, err)
	case resp.StatusCode != http.StatusOK:
		return h.fail(action, fault(resp.StatusCode), errors.New(resp.Status))
	case json.Unmarshal(body, out) != nil:
		return h.fail(action, nodes.Protocol, errors.New("not an answer of this engine"))
	}
	return nil
}

// fault returns the fault of a status that is not a success.
func fault(status int) nodes.Fault {
	switch {
	case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, status):
		return nodes.Unauthorized
	case status == http.StatusNotFound:
		return nodes.NotLoaded
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return nodes.Busy
	case status >= http.StatusInternalServerError:
		return nodes.ServerFailed
	}
	return nodes.Protocol
}

func (h *House) fail(action string, f nodes.Fault, err error) *nodes.Error {
	return &nodes.Error{Node: h.Node, Action: action, Fault: f, Err: err}
}
