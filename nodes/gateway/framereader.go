package gateway

import (
	"bytes"
	"fmt"
	"io"

	"github.com/turbone/jarvis/nodes"
)

const (
	// frameBufferSize is the size in bytes of one read of a stream.
	frameBufferSize = 32 << 10
	// maxFrame is the greatest size in bytes of one frame. An image or a long
	// tool call comes in one frame.
	maxFrame = 16 << 20
)

// frameReader cuts a stream into frames: lines, or server-sent events. An
// event ends with its data line, because some servers leave out the empty line
// after it.
type frameReader struct {
	source io.Reader
	events bool // server-sent events

	buf        []byte
	start, end int // of what was read and is not yet cut
	scanned    int // bytes after start that hold no complete frame
	err        error
}

func newFrameReader(source io.Reader, events bool, buf []byte) *frameReader {
	return &frameReader{source: source, events: events, buf: buf}
}

// next returns the next frame: raw is all its bytes, inside is raw without line
// ends at its end. Both are valid until the next read. inside is empty for an
// empty line. It blocks until a frame is complete.
func (f *frameReader) next() (raw, inside []byte, err error) {
	for {
		if raw, inside, ok := f.cut(); ok {
			return raw, inside, nil
		}
		if f.err != nil {
			return f.remainder()
		}
		f.fill()
	}
}

// peek returns what is buffered of the stream, without leading space. It
// blocks until there is something.
func (f *frameReader) peek() []byte {
	for {
		if start := bytes.TrimLeft(f.buf[f.start:f.end], " \t\r\n"); len(start) > 0 || f.err != nil {
			return start
		}
		f.fill()
	}
}

// unread returns the bytes that were read and not yet cut.
func (f *frameReader) unread() []byte { return f.buf[f.start:f.end] }

// cut returns the next frame if it is buffered completely. The empty line
// after an event belongs to the event if it is buffered, too. Frames cut
// without a read in between are adjacent in memory.
func (f *frameReader) cut() (raw, inside []byte, ok bool) {
	buf := f.buf[f.start:f.end]
	from := f.scanned
	for {
		at := bytes.IndexByte(buf[from:], '\n')
		if at < 0 {
			return nil, nil, false
		}
		line := buf[from : from+at]
		from += at + 1
		if f.events && len(line) > 5 && line[0] == 'e' && string(line[:5]) == "event" {
			f.scanned = from // its data line follows
			continue
		}
		inside = trimLineEnd(buf[:from])
		if f.events && from < len(buf) && buf[from] == '\n' {
			from++
		}
		f.start += from
		f.scanned = 0
		return buf[:from], inside, true
	}
}

// trimLineEnd returns line without line ends at its end.
func trimLineEnd(line []byte) []byte {
	for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n-- {
		line = line[:n-1]
	}
	return line
}

// remainder returns what is left at the end of the stream: a last frame may
// lack its line end.
func (f *frameReader) remainder() (raw, inside []byte, err error) {
	left := f.buf[f.start:f.end]
	f.start, f.scanned = f.end, 0
	if f.err == io.EOF && len(bytes.TrimSpace(left)) > 0 {
		return left, bytes.TrimSpace(left), nil
	}
	return nil, nil, f.err
}

// fill reads once, after it has made room in the buffer.
func (f *frameReader) fill() {
	switch {
	case f.start == f.end:
		f.start, f.end = 0, 0
	case f.end == len(f.buf) && f.start > 0:
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	case f.end == len(f.buf) && len(f.buf) >= maxFrame:
		f.err = &nodes.Error{Fault: nodes.Protocol, Err: fmt.Errorf("a frame longer than %d MiB", maxFrame>>20)}
		return
	case f.end == len(f.buf):
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	n, err := f.source.Read(f.buf[f.end:])
	f.end += n
	f.err = err
}
