// Package wire is the HTTP client below every engine's client: requests bounded in
// time and size, errors with their fault, and the deadlines of a stream of tokens.
package wire

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
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// MaxBody is the greatest size of an answer, in bytes. A list of a thousand models
// has less than 2 MB.
const MaxBody = 32 << 20

// maxDetail is the greatest length of a server's text in an error, in bytes.
const maxDetail = 300

// Classify maps an engine's own error answer to a fault. It returns nil for an
// answer that it does not know, whose fault then follows from the status. It is
// called for every answer that is not a 200 with the expected body.
type Classify func(status int, header http.Header, body []byte) *nodes.Error

// Client is a client of one server's JSON API. It is safe for concurrent use.
type Client struct {
	conn     nodes.Connection
	classify Classify
	base     *url.URL
	http     *http.Client
}

// New checks the address and returns a client. classify may be nil.
func New(conn nodes.Connection, classify Classify) (*Client, error) {
	u, err := url.Parse(conn.URL)
	if err != nil {
		return nil, fmt.Errorf("%s: url: %w", conn.Node, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: url %q: want http://host:port", conn.Node, conn.URL)
	}
	if u.User != nil {
		return nil, fmt.Errorf("%s: url: user and password do not belong in it; give the key by itself", conn.Node)
	}
	transport := conn.Transport
	if transport == nil {
		transport = NewTransport()
	}
	return &Client{conn: conn, classify: classify, base: u, http: &http.Client{
		Transport: transport,
		// An engine does not redirect; a captive portal and a misconfigured
		// proxy do.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Node returns the node's name.
func (c *Client) Node() string { return c.conn.Node }

// Key returns the node's key.
func (c *Client) Key() nodes.Secret { return c.conn.Key }

// Endpoint returns the server as a gateway sees it.
func (c *Client) Endpoint(continues func(string) (map[string]any, bool), apis ...string) nodes.Endpoint {
	return nodes.Endpoint{
		URL: c.base, Key: c.conn.Key, Transport: c.conn.Transport, APIs: apis, Continues: continues,
		Classify: func(status int, header http.Header, body []byte) *nodes.Error {
			return c.Status("serve", status, header, body)
		},
	}
}

// URL returns the address of a path on the server.
func (c *Client) URL(path string) string { return c.base.JoinPath(path).String() }

// HTTP returns the HTTP client, which follows no redirect and has no time-out.
func (c *Client) HTTP() *http.Client { return c.http }

// Request returns a request with the key set. in, unless nil, is its JSON body. A
// query may follow the path after "?".
func (c *Client) Request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, c.wrong("encode request", err)
		}
		body = bytes.NewReader(b)
	}
	path, query, _ := strings.Cut(path, "?")
	u := c.base.JoinPath(path)
	u.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, c.wrong("make request", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.conn.Key.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.conn.Key.Reveal())
	}
	return req, nil
}

// Do sends a request and returns the response if its status is 200, and otherwise
// an error of action with its fault. The caller closes the body.
func (c *Client) Do(req *http.Request, action string) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.Transport(req.Context(), action, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil && len(body) == 0 {
		return nil, c.Transport(req.Context(), action, err)
	}
	return nil, c.Status(action, resp.StatusCode, resp.Header, body)
}

// Bytes sends in as JSON and returns the body of the response, at most MaxBody. Its
// errors are those of [Client.Do].
func (c *Client) Bytes(ctx context.Context, action, method, path string, in any) ([]byte, error) {
	req, err := c.Request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req, action)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return c.ReadAll(ctx, action, resp.Body, MaxBody)
}

// ReadAll reads a body of at most limit bytes to its end. The caller closes it.
func (c *Client) ReadAll(ctx context.Context, action string, body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, c.Transport(ctx, action, err)
	}
	if int64(len(b)) > limit {
		return nil, c.TooLarge(action, limit)
	}
	return b, nil
}

// TooLarge returns the error of an answer that exceeds limit bytes.
func (c *Client) TooLarge(action string, limit int64) *nodes.Error {
	return c.Fail(action, nodes.Protocol, fmt.Sprintf("answer larger than %d MiB", limit>>20))
}

// JSON decodes the result of [Client.Bytes] into out. A body of another shape is
// [nodes.Protocol]. An error in the body of a success is handled as a failure.
func (c *Client) JSON(ctx context.Context, action, method, path string, in, out any) error {
	body, err := c.Bytes(ctx, action, method, path, in)
	if err != nil {
		return err
	}
	if ErrorText(body) != "" {
		return c.Status(action, http.StatusOK, nil, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return c.Fail(action, nodes.Protocol, fmt.Sprintf("%v in %s", err, Brief(string(body))))
	}
	return nil
}

// wrong returns the error of a request that could not be made.
func (c *Client) wrong(action string, err error) error {
	return &nodes.Error{Node: c.conn.Node, Action: action, Fault: nodes.BadRequest, Err: err}
}

// Fail returns an error of this node. detail may be a server's text: it is
// shortened, and the key is removed from it.
func (c *Client) Fail(action string, f nodes.Fault, detail string) *nodes.Error {
	return &nodes.Error{Node: c.conn.Node, Action: action, Fault: f, Detail: c.quote(detail), Remedy: remedies[f]}
}

// quote removes the key from a server's text and shortens it. Some servers repeat
// the key that they refuse. The key is removed first, so that no part of it stays.
func (c *Client) quote(words string) string {
	if !c.conn.Key.Empty() {
		words = strings.ReplaceAll(words, c.conn.Key.Reveal(), c.conn.Key.String())
	}
	return Brief(words)
}

var remedies = map[nodes.Fault]string{
	nodes.Unauthorized: "correct the node's key",
	nodes.WrongEngine:  "correct the node's engine or address",
	nodes.Refused:      "start the server, or correct the node's address",
}

// Status returns the error of a response that is not a success. Its fault is that
// of the engine's [Classify], or else that of the status.
func (c *Client) Status(action string, status int, header http.Header, body []byte) *nodes.Error {
	var e *nodes.Error
	if c.classify != nil {
		e = c.classify(status, header, body)
	}
	if e == nil {
		e = &nodes.Error{Fault: statusFault(status)}
	}
	e.Node, e.Action = c.conn.Node, action
	if e.Detail == "" {
		e.Detail = fmt.Sprintf("HTTP %d %s", status, first(ErrorText(body), string(body)))
	}
	e.Detail = c.quote(e.Detail)
	if e.Remedy == "" {
		e.Remedy = remedies[e.Fault]
	}
	if e.RetryAfter == 0 {
		e.RetryAfter = retryAfter(header)
	}
	return e
}

// maxRetryAfter is the longest Retry-After. A server with a wrong clock would
// exclude itself for years.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the value of Retry-After, in seconds or as a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(date), 0), maxRetryAfter)
	}
	return 0
}

func statusFault(status int) nodes.Fault {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return nodes.Unauthorized
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return nodes.Busy
	case status >= 500:
		return nodes.ServerFailed
	case status >= 400:
		return nodes.BadRequest
	}
	return nodes.Protocol // a redirect, or a 200 that is an error
}

// Transport returns the error of a request without a complete response. The
// cancellation of the context has no fault.
func (c *Client) Transport(ctx context.Context, action string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		var e *nodes.Error
		if errors.As(cause, &e) {
			return cause // the deadline of a Watch
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return fmt.Errorf("%s: %s: %w", c.conn.Node, action, errors.Join(context.Canceled, notCanceled(cause)))
		}
	}
	var known *nodes.Error
	if errors.As(err, &known) {
		return known // from a bounded reader
	}
	e := &nodes.Error{Node: c.conn.Node, Action: action, Fault: TransportFault(err), Err: err}
	e.Remedy = remedies[e.Fault]
	var u *url.Error
	if errors.As(err, &u) {
		e.Err = u.Err // without the URL: the node's name says where
	}
	return e
}

// notCanceled returns the cause that a caller gave, or nil.
func notCanceled(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// TransportFault returns the fault of a request without a complete response.
func TransportFault(err error) nodes.Fault {
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		if connectionRefused(err) {
			return nodes.Refused
		}
		return nodes.Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return nodes.TimedOut
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), connectionReset(err):
		return nodes.CutOff
	case errors.As(err, &timeout) && timeout.Timeout():
		return nodes.TimedOut
	case errors.As(err, &op):
		return nodes.Unreachable
	}
	return nodes.Protocol
}

// ErrorText returns the text of a body that is an error, and "" for every other
// body. An error is {"error":"text"}, {"error":{"message":"text"}}, or
// {"object":"error","message":"text"}, which some Python servers send. A text that is
// an error's body itself, as Ollama passes its runner's on, gives that one's text.
func ErrorText(body []byte) string {
	var e struct {
		Error   json.RawMessage `json:"error"`
		Object  json.RawMessage `json:"object"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	var flat string
	_ = json.Unmarshal(e.Message, &flat) // a message that is no string is no text
	switch string(e.Error) {
	case "", "null", "false":
		if string(e.Object) == `"error"` {
			return first(flat, string(body))
		}
		return ""
	}
	var text string
	if json.Unmarshal(e.Error, &text) == nil {
		return inner(text)
	}
	var object struct {
		Message string `json:"message"`
		Type    string `json:"type"`
	}
	if json.Unmarshal(e.Error, &object) == nil && object.Message != "" {
		return inner(object.Message)
	}
	return first(object.Type, flat, string(e.Error))
}

// inner returns the text of an error in a text, or the text itself. It ends, as each
// body is shorter than the one that holds it.
func inner(text string) string {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text
	}
	return first(ErrorText([]byte(text)), text)
}

// Brief shortens a text and puts it on one line.
func Brief(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
