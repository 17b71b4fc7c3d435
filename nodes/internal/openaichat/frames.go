package openaichat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// maxLine is the longest line of a stream, in bytes. A piece with all log
// probabilities has some kilobytes.
const maxLine = 1 << 20

// frames is the body of a stream of server-sent events, reduced to the data lines
// that the library reads. It drops comments and other fields. An error of any
// shape becomes an error of Read.
type frames struct {
	*mender
	header http.Header
	lines  *wire.Lines
	body   io.Closer

	event   string // the field "event" of the current event
	pending []byte // its data, while it is not complete JSON
	out     []byte // corrected and not yet read
	err     error
}

// Close implements io.Closer.
func (f *frames) Close() error { return f.body.Close() }

// Read implements io.Reader.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.out) == 0 && f.err == nil {
		line, err := f.lines.Next()
		if err == nil || errors.Is(err, io.EOF) {
			if e := f.take(line); e != nil {
				err = e
			}
		}
		if errors.Is(err, io.EOF) && len(f.pending) > 0 {
			err = f.wire.Fail(action, nodes.CutOff, "the stream ended in the middle of a piece")
		}
		f.err = err
	}
	if len(f.out) == 0 {
		return 0, f.err
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// take adds a line to the current event.
func (f *frames) take(line []byte) error {
	name, value, isField := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case len(line) == 0:
		return f.endEvent()
	case isField && len(name) == 0: // a comment, sent to keep the connection
	case isField && string(name) == "data":
		return f.data(value)
	case isField && string(name) == "event":
		f.event = string(value)
	case isField && (string(name) == "id" || string(name) == "retry"):
	default:
		// No event: an error text of a proxy, or of the server. The lines that
		// are buffered belong to it.
		all := append(append(line, '\n'), f.lines.Buffered()...)
		return f.wire.Status(action, http.StatusOK, f.header, bytes.TrimSpace(all))
	}
	return nil
}

// endEvent ends an event at an empty line. Its data must be complete JSON by now.
func (f *frames) endEvent() error {
	event, data := f.event, f.pending
	f.event, f.pending = "", nil
	switch {
	case len(data) == 0:
		return nil
	case event == "error":
		return f.failed(f.header, data)
	}
	return f.wire.Fail(action, nodes.Protocol, "no JSON in the stream: "+string(data))
}

// data takes a data line. An event may have several. It is passed on when it is
// complete, since some servers omit the empty line after it.
func (f *frames) data(value []byte) error {
	if len(f.pending) > 0 {
		f.pending = append(f.pending, '\n')
	}
	f.pending = append(f.pending, value...)
	if len(f.pending) > maxLine {
		return f.wire.TooLarge(action, maxLine)
	}
	if string(f.pending) == "[DONE]" {
		f.mender.done, f.pending = true, nil
		f.out = []byte("data: [DONE]\n")
		return nil
	}
	// With several lines, the data can only be complete after a "}".
	several := len(f.pending) > len(value)
	if len(f.pending) == 0 || several && !bytes.HasSuffix(value, []byte("}")) || !json.Valid(f.pending) {
		return nil
	}
	piece := f.pending
	f.pending = nil
	switch {
	case f.event == "error", wire.ErrorText(piece) != "":
		return f.failed(f.header, piece)
	case piece[0] != '{':
		return f.wire.Fail(action, nodes.Protocol, "no object in the stream: "+string(piece))
	}
	f.out = append(append([]byte("data: "), oneLine(mapReasoning(withoutError(piece)))...), '\n')
	return nil
}

// withoutError removes an error that is null, which the library takes for a failure
// without a text.
func withoutError(piece []byte) []byte {
	var all map[string]json.RawMessage
	if !bytes.Contains(piece, []byte(`"error"`)) || json.Unmarshal(piece, &all) != nil {
		return piece
	}
	delete(all, "error")
	return encode(all)
}
