package route

import (
	"bytes"
	"fmt"
	"io"

	"github.com/turbone/jarvis/nodes"
)

const (
	// frameRoom is how much of a stream is read at once, maxFrame how long one
	// frame may be, in bytes. A picture or a long tool call comes in one.
	frameRoom = 16 << 10
	maxFrame  = 16 << 20
)

// frames cuts a stream into frames: lines, or events of lines. An event is
// complete with its data line, because some servers leave out the empty line
// after it.
type frames struct {
	from   io.Reader
	events bool

	room       []byte
	start, end int // what was read and not yet taken
	seen       int // up to where there is no line end, relative to start
	err        error
}

func newFrames(from io.Reader, events bool, room []byte) *frames {
	return &frames{from: from, events: events, room: room}
}

// next returns the next frame: as it came with its line ends, and what is in
// it. Both are valid until the next call that reads. more reports whether the
// frame after it is there already. A frame may be empty inside: a comment, or
// an empty line.
func (f *frames) next() (raw, inside []byte, err error) {
	for {
		if raw, inside, ok := f.take(); ok {
			return raw, inside, nil
		}
		if f.err != nil {
			return f.rest()
		}
		f.fill()
	}
}

// peek returns what comes first in the stream, without leading space.
func (f *frames) peek() []byte {
	for {
		if start := bytes.TrimLeft(f.room[f.start:f.end], " \t\r\n"); len(start) > 0 || f.err != nil {
			return start
		}
		f.fill()
	}
}

// buffered reports whether next returns without reading.
func (f *frames) buffered() bool {
	start, seen := f.start, f.seen
	_, _, ok := f.take()
	f.start, f.seen = start, seen
	return ok
}

// take cuts a frame off what is there.
func (f *frames) take() (raw, inside []byte, ok bool) {
	from := f.seen
	for {
		at := bytes.IndexByte(f.room[f.start+from:f.end], '\n')
		if at < 0 {
			return nil, nil, false
		}
		line := bytes.TrimRight(f.room[f.start+from:f.start+from+at], "\r")
		from += at + 1
		if f.events && bytes.HasPrefix(line, []byte("event")) {
			f.seen = from // its data is to come
			continue
		}
		raw = f.room[f.start : f.start+from]
		f.start += from
		f.seen = 0
		return raw, bytes.TrimRight(raw, "\r\n"), true
	}
}

// rest is what is left at the end of the stream.
func (f *frames) rest() (raw, inside []byte, err error) {
	left := f.room[f.start:f.end]
	f.start = f.end
	if f.err == io.EOF && len(bytes.TrimSpace(left)) > 0 {
		return left, bytes.TrimSpace(left), nil // the last line may lack its end
	}
	return nil, nil, f.err
}

func (f *frames) fill() {
	switch {
	case f.start == f.end:
		f.start, f.end = 0, 0
	case f.end == len(f.room) && f.start > 0:
		f.end = copy(f.room, f.room[f.start:f.end])
		f.start = 0
	case f.end == len(f.room) && len(f.room) >= maxFrame:
		f.err = &nodes.Error{Fault: nodes.Protocol, Err: fmt.Errorf("a frame longer than %d MiB", maxFrame>>20)}
		return
	case f.end == len(f.room):
		f.room = append(f.room, make([]byte, len(f.room))...)
	}
	n, err := f.from.Read(f.room[f.end:])
	f.end += n
	f.err = err
}
