// Package remote asks a daemon that runs elsewhere.
package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// ErrNotRunning: nobody listens on the address.
var ErrNotRunning = errors.New("no healer is running")

// fetchLimit bounds the wait for a status.
const fetchLimit = 5 * time.Second

// Fetch asks the healer that listens on an address, as its config names it. The
// error wraps [ErrNotRunning] where nobody listens.
func Fetch(ctx context.Context, address string, token nodes.Secret) (healer.Status, error) {
	var s healer.Status
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(address)+"/api/v1/status", nil)
	if err != nil {
		return s, err
	}
	if !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return s, fmt.Errorf("%w on %s", ErrNotRunning, address)
	}
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return s, fmt.Errorf("ask the healer on %s: %w", address, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("ask the healer on %s: HTTP %d%s", address, resp.StatusCode, hint(resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return s, fmt.Errorf("ask the healer on %s: %w", address, err)
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Started.IsZero() {
		return healer.Status{}, fmt.Errorf("what answers on %s is no healer", address)
	}
	return s, nil
}

func hint(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "; set healer.listen_token to the healer's own"
	case http.StatusNotFound:
		return "; is it another program?"
	}
	return ""
}

// reachable turns an address to listen on into one to ask.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
