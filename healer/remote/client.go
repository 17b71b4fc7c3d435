package remote

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
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// The errors of a [Client]. If nothing listens at the address, an error wraps
// [healer.ErrNotRunning].
var (
	// ErrUnauthorized means that the healer does not accept the token, or the
	// host by which it was asked.
	ErrUnauthorized = errors.New("the healer does not accept the token")
	// ErrNotHealer means that another program answers at the address.
	ErrNotHealer = errors.New("what answers there is not a healer")
)

const (
	defaultTimeout  = 5 * time.Second
	defaultPatience = time.Minute
	// checkTimeout bounds a check, which asks the node itself.
	checkTimeout = 10 * time.Minute
	// maxBody bounds an answer, in bytes; maxError the text of an error.
	maxBody  = 32 << 20
	maxError = 1 << 10
)

// NoLimit as [Config.Patience] means to wait for ever.
const NoLimit time.Duration = -1

// Config is the configuration of a [Client].
type Config struct {
	// Address is the one that the daemon listens on, "127.0.0.1:7070", or the
	// URL of a proxy before it. An address without a host means this machine.
	Address string
	// Token is that of the status API; empty sends none.
	Token nodes.Secret
	// HTTP makes the requests; nil means a client of its own without redirects.
	// Its Timeout, if there is one, also ends a stream of events, which is then
	// connected again.
	HTTP *http.Client
	// Timeout bounds the wait for an answer, except that of Check; 0 means 5 s.
	Timeout time.Duration
	// Patience is how long Run and Events wait for a healer that was reached and
	// then disappeared, such as during a restart; 0 means a minute, [NoLimit]
	// for ever.
	Patience time.Duration
}

// Client is a [healer.Healer] that runs elsewhere. It is safe for concurrent
// use.
type Client struct {
	base   string
	config Config
}

var _ healer.Healer = (*Client)(nil)

// New makes a client. It connects to nothing.
func New(c Config) (*Client, error) {
	base, err := baseURL(c.Address)
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			// A connection is idle for longer than it lives at the daemon.
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	return &Client{base: base, config: c}, nil
}

// baseURL returns the URL of an address to listen on, or of a proxy, without a
// slash at its end.
func baseURL(address string) (string, error) {
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return "", errors.New("the address is neither HOST:PORT nor a URL without credentials")
		}
		return strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// Status implements [healer.Healer]. It blocks for at most [Config.Timeout].
func (c *Client) Status(ctx context.Context) (healer.Status, error) {
	var s healer.Status
	if err := c.call(ctx, c.config.Timeout, http.MethodGet, "/api/v1/status", nil, &s); err != nil {
		return healer.Status{}, err
	}
	if s.Started.IsZero() {
		return healer.Status{}, c.wrap(ErrNotHealer)
	}
	return s, nil
}

// Check implements [healer.Healer]. It blocks for at most ten minutes.
func (c *Client) Check(ctx context.Context, node string) (healer.NodeStatus, error) {
	var n healer.NodeStatus
	if err := c.call(ctx, checkTimeout, http.MethodPost, "/api/v1/nodes/"+url.PathEscape(node)+"/check", struct{}{}, &n); err != nil {
		return healer.NodeStatus{}, err
	}
	return n, nil
}

// Pause implements [healer.Healer]. It blocks for at most [Config.Timeout].
func (c *Client) Pause(ctx context.Context, p healer.Pause) error {
	return c.call(ctx, c.config.Timeout, http.MethodPost, "/api/v1/pause", p, nil)
}

// Resume implements [healer.Healer]. It blocks for at most [Config.Timeout].
func (c *Client) Resume(ctx context.Context, node string) error {
	return c.call(ctx, c.config.Timeout, http.MethodPost, "/api/v1/resume", struct {
		Node string `json:"node"`
	}{node}, nil)
}

// call makes a request and decodes the answer into result, if it is not nil.
func (c *Client) call(ctx context.Context, limit time.Duration, method, path string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return c.wrap(err)
	case len(text) > maxBody:
		return c.wrap(fmt.Errorf("%w: its answer is larger than %d MiB", ErrNotHealer, maxBody>>20))
	case result == nil:
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return c.wrap(ErrNotHealer)
	}
	return nil
}

// do makes a request. A response other than 200 and 204 is an error.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, c.wrap(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, c.wrap(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.config.Token.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.config.Token.Reveal())
	}
	resp, err := c.config.HTTP.Do(req)
	if err != nil {
		return nil, c.wrap(transportError(err))
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
	return nil, c.wrap(statusError(resp, healer.OneLine(strings.TrimSpace(string(text)))))
}

// wrap adds whom was asked to an error.
func (c *Client) wrap(err error) error {
	return fmt.Errorf("ask the healer at %s: %w", strings.TrimPrefix(c.base, "http://"), err)
}

// transportError turns the error of a request that got no answer into
// [healer.ErrNotRunning] if nothing listens at the address.
func transportError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the method and the URL
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" && !dial.Timeout() {
		return fmt.Errorf("%w: %w", healer.ErrNotRunning, dial.Err)
	}
	return err
}

// statusError is the error of an answer other than 200 and 204, with the text
// of its body.
func statusError(resp *http.Response, text string) error {
	if sentinel := healer.ErrorNamed(resp.Header.Get(healer.ErrorHeader)); sentinel != nil {
		return &answeredError{text: strings.TrimPrefix(text, "healer: "), sentinel: sentinel}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrUnauthorized
	case http.StatusBadRequest, http.StatusInternalServerError:
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("HTTP %d", resp.StatusCode) // of a proxy
	}
	return fmt.Errorf("%w: HTTP %d", ErrNotHealer, resp.StatusCode)
}

// answeredError is an error of the healer's own. It has the healer's text and
// wraps the same sentinel.
type answeredError struct {
	text     string
	sentinel error
}

func (e *answeredError) Error() string { return e.text }

func (e *answeredError) Unwrap() error { return e.sentinel }
