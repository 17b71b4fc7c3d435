package ollama

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// maxLine is the longest line of a stream, in bytes. The library has room for
// 8,000,000, and takes a longer one for the end.
const maxLine = 7_500_000

// maxError is how much of an error's body is read, in bytes.
const maxError = 64 << 10

// transport closes what the client library leaves open: it reads bodies
// without a bound, takes a 500 without a body for a success, and does not tell
// a stream that broke from one that ended.
type transport struct {
	wire  *wire.Client
	inner http.RoundTripper
}

// call is one request on its way. The transport finds it in the request's
// context and leaves in it what the library swallows.
type call struct {
	action string
	// date is the server's own clock, as it came with the answer.
	date string
	// broke is why the body could not be read to its end, nil where it could.
	broke error
	// garbage is set where the body is no JSON, silent where an error has none.
	garbage, silent bool
	// read is how much of the body was read, in bytes.
	read int64
}

type callKey struct{}

// begin names what the requests of ctx are for.
func begin(ctx context.Context, action string) (context.Context, *call) {
	c := &call{action: action}
	return context.WithValue(ctx, callKey{}, c), c
}

// RoundTrip returns the answer of a 200; every other ending is an error with
// its fault.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	c, ok := req.Context().Value(callKey{}).(*call)
	if !ok {
		c = &call{action: "request"}
	}
	req = req.Clone(req.Context())
	req.Header.Del("Authorization") // the library signs where its environment says so
	if key := t.wire.Key(); !key.Empty() {
		req.Header.Set("Authorization", "Bearer "+key.Reveal())
	}
	resp, err := t.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	c.date = resp.Header.Get("Date")
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
		if err != nil && len(body) == 0 {
			return nil, err
		}
		c.silent = len(body) == 0
		return nil, t.status(c.action, req, resp, body)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		defer resp.Body.Close()
		c.garbage = true
		start, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err != nil && len(start) == 0 {
			return nil, err
		}
		return nil, t.wire.Fail(c.action, nodes.Protocol, "a web page instead of JSON: "+string(start))
	}
	resp.Body = &body{inner: resp.Body, call: c, wire: t.wire, lines: streams(req.URL.Path)}
	return resp, nil
}

// status is the error of an answer that is not a 200.
func (t *transport) status(action string, req *http.Request, resp *http.Response, body []byte) error {
	e := t.wire.Status(action, resp.StatusCode, resp.Header, body)
	if action != actionLoad || !strings.HasSuffix(req.URL.Path, "/api/generate") {
		return e
	}
	if e.Fault == nodes.ServerFailed && len(body) == 0 { // the server's handler panicked
		e.Detail = fmt.Sprintf("HTTP %d without a word: the model's file may be corrupt", resp.StatusCode)
	}
	e.Fault = loadFault(e.Fault)
	return e
}

// streams reports whether a path is answered line by line.
func streams(path string) bool {
	return strings.HasSuffix(path, "/api/chat") || strings.HasSuffix(path, "/api/generate") || strings.HasSuffix(path, "/api/pull")
}

// loadFault is what a fault means where it ends a load.
func loadFault(f nodes.Fault) nodes.Fault {
	if f == nodes.ServerFailed || f == nodes.Crashed {
		return nodes.LoadFailed
	}
	return f
}

// body is bounded, and keeps why it ended. A download's progress has no bound:
// it may go on for days.
type body struct {
	inner io.ReadCloser
	call  *call
	wire  *wire.Client
	lines bool // a stream: lines are bounded too
	line  int  // how much of the last line was read
	begun bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	b.call.read += int64(n)
	if start := bytes.TrimLeft(p[:n], " \t\r\n"); !b.begun && len(start) > 0 {
		b.begun = true
		b.call.garbage = start[0] != '{' && start[0] != '['
	}
	if at := bytes.LastIndexByte(p[:n], '\n'); at >= 0 {
		b.line = n - at - 1
	} else {
		b.line += n
	}
	if b.lines && b.line > maxLine {
		err = b.wire.Fail(b.call.action, nodes.Protocol, fmt.Sprintf("a line longer than %d bytes", maxLine))
	}
	if b.call.read > wire.MaxBody && b.call.action != actionDownload {
		err = b.wire.Fail(b.call.action, nodes.Protocol, fmt.Sprintf("answer larger than %d MiB", wire.MaxBody>>20))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.call.broke = err
	}
	return n, err
}

func (b *body) Close() error { return b.inner.Close() }

// fail gives what the library returned its fault. An error line in a stream
// comes as its bare text, a broken stream as no error at all.
func (b *Backend) fail(ctx context.Context, c *call, err error) error {
	var known *nodes.Error
	switch {
	case err == nil && c.broke == nil:
		return nil
	case ctx.Err() != nil:
		return b.wire.Transport(ctx, c.action, first(err, c.broke))
	case errors.As(err, &known):
		return known
	case c.broke != nil:
		return b.wire.Transport(ctx, c.action, c.broke)
	case c.garbage:
		return b.wire.Fail(c.action, nodes.Protocol, "no JSON: "+err.Error())
	}
	return b.unwrapped(ctx, c, err)
}

func first(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}
