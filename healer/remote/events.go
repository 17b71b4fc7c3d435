package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

const (
	// silence is how long a stream may be without a line. A daemon sends one
	// every 20 s.
	silence = time.Minute
	// maxLine bounds a line of a stream, in bytes.
	maxLine = 1 << 20
	// aliveEvery is the pause between two looks of Run.
	aliveEvery = 10 * time.Second
	// retryInitial is the pause before the first attempt to connect again; it
	// doubles up to retryMax.
	retryInitial, retryMax = 200 * time.Millisecond, 10 * time.Second
)

// Run implements [healer.Healer]: it asks for the status every ten seconds
// until ctx ends, and returns an error when the healer was not reached for
// [Config.Patience], or at once if it never was.
func (c *Client) Run(ctx context.Context) error {
	w := c.newWait()
	for {
		if _, err := c.Status(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if !w.again(ctx, err) {
				return endOf(ctx, err)
			}
			continue
		}
		w.reached()
		if !nodes.Sleep(ctx, aliveEvery) {
			return nil
		}
	}
}

// Events implements [healer.Healer]. A connection that breaks is made again, and
// the sequence goes on after the last event that was yielded, also with a healer
// that was restarted meanwhile. The sequence ends with an error when the healer
// was not reached for [Config.Patience], or at once if it never was.
func (c *Client) Events(ctx context.Context, after uint64) iter.Seq2[healer.Event, error] {
	return func(yield func(healer.Event, error) bool) {
		w := c.newWait()
		for {
			stopped := false
			err := c.stream(ctx, after, w.reached, func(e healer.Event) bool {
				after = e.ID
				stopped = !yield(e, nil)
				return !stopped
			})
			if stopped || ctx.Err() != nil {
				return
			}
			if !w.again(ctx, err) {
				if err := endOf(ctx, err); err != nil {
					yield(healer.Event{}, err)
				}
				return
			}
		}
	}
}

// endOf is the error by which Run and Events end: none if ctx ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// wait decides whether and when a healer that is not reached is asked again.
type wait struct {
	patience time.Duration
	last     time.Time // when it was last reached, zero for never
	retry    *backoff.ExponentialBackOff
}

func (c *Client) newWait() *wait {
	return &wait{patience: c.config.Patience, retry: &backoff.ExponentialBackOff{
		InitialInterval: retryInitial, MaxInterval: retryMax, Multiplier: 2, RandomizationFactor: 0.2,
	}}
}

// reached notes that the healer answered.
func (w *wait) reached() {
	w.last = time.Now()
	w.retry.Reset()
}

// again waits before the next attempt after err. It returns false if there is to
// be none.
func (w *wait) again(ctx context.Context, err error) bool {
	switch {
	case errors.Is(err, ErrUnauthorized), errors.Is(err, ErrNotHealer), w.last.IsZero():
		return false
	case w.patience >= 0 && time.Since(w.last) > w.patience:
		return false
	}
	return nodes.Sleep(ctx, w.retry.NextBackOff())
}

// stream reads one connection's events until it breaks, or emit returns false.
// Connected is called when the healer has accepted the request.
func (c *Client) stream(ctx context.Context, after uint64, connected func(), emit func(healer.Event) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(c.wrap(fmt.Errorf("nothing came for %s", silence))) })
	defer quiet.Stop()
	path := "/api/v1/events"
	if after > 0 {
		path += "?after=" + strconv.FormatUint(after, 10)
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return c.wrap(ErrNotHealer)
	}
	connected()
	err = readEvents(resp.Body, func() { quiet.Reset(silence) }, func(e healer.Event) bool {
		connected()
		return emit(e)
	})
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return c.wrap(fmt.Errorf("the stream of events ended: %w", err))
}

// readEvents reads a stream of server-sent events until it ends, or emit returns
// false. Line is called for each line.
func readEvents(r io.Reader, line func(), emit func(healer.Event) bool) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var data strings.Builder
	for lines.Scan() {
		line()
		text := lines.Text()
		if text == "" {
			if data.Len() == 0 {
				continue
			}
			var e healer.Event
			if err := json.Unmarshal([]byte(data.String()), &e); err != nil {
				return fmt.Errorf("an event is not JSON: %w", err)
			}
			data.Reset()
			if !emit(e) {
				return nil
			}
			continue
		}
		name, value, _ := strings.Cut(text, ":")
		if name == "data" { // the ID and the type stand in it, too
			if data.Len() > 0 {
				data.WriteByte('\n')
			}
			if data.Len()+len(value) > maxLine {
				return bufio.ErrTooLong
			}
			data.WriteString(strings.TrimPrefix(value, " "))
		}
	}
	return lines.Err()
}
