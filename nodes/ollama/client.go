package ollama

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// maxLine is the longest line of a stream that is read, in bytes.
const maxLine = 8 << 20

var (
	// errNoJSON is the cause of an error if an answer is not JSON, such as the page
	// of a proxy. JSON of another shape comes from another engine.
	errNoJSON = errors.New("no JSON")
	// errSilent is the cause of an error if a failure has no body, because the
	// server's handler panicked.
	errSilent = errors.New("no body")
)

// fetch sends a request and decodes the answer, which is one JSON object.
func (b *Backend) fetch(ctx context.Context, action, method, path string, in, out any) (http.Header, error) {
	req, err := b.wire.Request(ctx, method, path, in)
	if err != nil {
		return nil, err
	}
	resp, err := b.wire.Do(req, action)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := b.wire.ReadAll(ctx, action, resp.Body, wire.MaxBody)
	if err != nil {
		return nil, err
	}
	if wire.ErrorText(body) != "" {
		return nil, b.wire.Status(action, http.StatusOK, nil, body)
	}
	return resp.Header, b.decode(action, body, out)
}

// stream sends a request and calls each for every line of the answer, in
// order. An error line ends it. A download's stream has no bound: its progress
// may go on for days.
func stream[T any](ctx context.Context, b *Backend, action, path string, in any, each func(T)) error {
	req, err := b.wire.Request(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	resp, err := b.wire.Do(req, action)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	limit := int64(wire.MaxBody)
	if action == actionDownload {
		limit = math.MaxInt64
	}
	lines := b.wire.Lines(ctx, action, bufio.NewReader(resp.Body), maxLine, limit)
	for {
		line, end := lines.Next()
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
		if len(line) > 0 {
			var v T
			if text := wire.ErrorText(line); text != "" {
				return b.told(action, text)
			}
			if err := b.decode(action, line, &v); err != nil {
				return err
			}
			each(v)
		}
		if end != nil {
			return nil
		}
	}
}

func (b *Backend) decode(action string, body []byte, out any) error {
	err := json.Unmarshal(body, out)
	if err == nil {
		return nil
	}
	e := b.wire.Fail(action, nodes.Protocol, err.Error())
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &shape):
	case len(body) == 0:
		e.Detail, e.Err = "an empty answer", errNoJSON
	default:
		e = b.wire.Fail(action, nodes.Protocol, "no JSON: "+string(body))
		e.Err = errNoJSON
	}
	return e
}

// told returns the error of an error line.
func (b *Backend) told(action, text string) error {
	if e := classifyText(text); e != nil {
		told := b.wire.Fail(action, e.Fault, text)
		told.Remedy = e.Remedy
		return told
	}
	return b.wire.Fail(action, nodes.ServerFailed, text)
}

// loadError returns the error of a load: a failure of the server or of its runner
// becomes a failed load.
func loadError(err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) || e.Fault != nodes.ServerFailed && e.Fault != nodes.Crashed {
		return err
	}
	failed := *e
	failed.Fault = nodes.LoadFailed
	if errors.Is(err, errSilent) {
		failed.Detail += ": the model's file may be corrupt"
	}
	return &failed
}

// silent returns the error of an answer that is a failure without a body, nil
// for every other answer.
func silent(status int, body []byte) *nodes.Error {
	if len(body) > 0 || status < http.StatusInternalServerError || status == http.StatusServiceUnavailable {
		return nil
	}
	return &nodes.Error{Fault: nodes.ServerFailed, Detail: fmt.Sprintf("HTTP %d without a body", status), Err: errSilent}
}
