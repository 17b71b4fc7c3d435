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

// maxLine bounds one line of a stream. A piece with all its log probabilities
// is some kilobytes.
const maxLine = 1 << 20

// frames is the body of a stream of server-sent events, reduced to the data
// lines that the library reads: comments and field names are dropped, an error
// in whatever shape ends the stream as an error of Read.
type frames struct {
	*mender
	header http.Header
	lines  *wire.Lines
	body   io.Closer

	event   string // the field "event" of the event under way
	pending []byte // its data, as far as it is no JSON yet
	out     []byte // mended and not yet read
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

// take adds a line to the event under way.
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
		// Not an event at all: a proxy in between, or the server's own last
		// words. What is here of the rest belongs to it.
		all := append(append(line, '\n'), f.lines.Buffered()...)
		return f.wire.Status(action, http.StatusOK, f.header, bytes.TrimSpace(all))
	}
	return nil
}

// endEvent is an empty line: an event that is no JSON until here never is.
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

// data takes a data line. An event may have several; it is passed on as soon
// as it is complete, since some servers leave out the empty line after it.
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
	// Of several lines only an object's last one is worth a look at them all.
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

// withoutError drops an error that is null: the library takes a piece that
// begins with one for a failure without a text.
func withoutError(piece []byte) []byte {
	var all map[string]json.RawMessage
	if !bytes.Contains(piece, []byte(`"error"`)) || json.Unmarshal(piece, &all) != nil {
		return piece
	}
	delete(all, "error")
	return encode(all)
}
