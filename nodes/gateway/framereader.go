package gateway

import (
	"bytes"
	"fmt"
	"io"

	"github.com/turbone/jarvis/nodes"
)

const (
	// frameRoom is how much of a stream is read at once, maxFrame how long one
	// frame may be, in bytes. A picture or a long tool call comes in one.
	frameBufferSize = 32 << 10
	maxFrame        = 16 << 20
)

// frames cuts a stream into frames: lines, or events of lines. An event is
// complete with its data line, because some servers leave out the empty line
// after it.
type frameReader struct {
	source io.Reader
	events bool

	buf        []byte
	start, end int // what was read and not yet taken
	scanned    int // up to where there is no line end, relative to start
	err        error
}

func newFrameReader(from io.Reader, events bool, room []byte) *frameReader {
	return &frameReader{source: from, events: events, buf: room}
}

// next returns the next frame: as it came with its line ends, and what is in
// it. Both are valid until the next call that reads. A frame may be empty
// inside: a comment, or an empty line.
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

// peek returns what comes first in the stream, without leading space.
func (f *frameReader) peek() []byte {
	for {
		if start := bytes.TrimLeft(f.buf[f.start:f.end], " \t\r\n"); len(start) > 0 || f.err != nil {
			return start
		}
		f.fill()
	}
}

// take cuts a frame off what is there; ok is false where there is none yet. The
// empty line after an event goes with it where it is there already. What take
// returns stands right behind what it returned before.
func (f *frameReader) cut() (raw, inside []byte, ok bool) {
	room := f.buf[f.start:f.end]
	from := f.scanned
	for {
		at := bytes.IndexByte(room[from:], '\n')
		if at < 0 {
			return nil, nil, false
		}
		line := room[from : from+at]
		from += at + 1
		if f.events && len(line) > 5 && line[0] == 'e' && string(line[:5]) == "event" {
			f.scanned = from // its data is to come
			continue
		}
		inside = trimLineEnd(room[:from])
		if f.events && from < len(room) && room[from] == '\n' {
			from++
		}
		f.start += from
		f.scanned = 0
		return room[:from], inside, true
	}
}

// trimEnd cuts the line end off.
func trimLineEnd(line []byte) []byte {
	for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n-- {
		line = line[:n-1]
	}
	return line
}

// rest is what is left at the end of the stream.
func (f *frameReader) remainder() (raw, inside []byte, err error) {
	left := f.buf[f.start:f.end]
	f.start, f.scanned = f.end, 0
	if f.err == io.EOF && len(bytes.TrimSpace(left)) > 0 {
		return left, bytes.TrimSpace(left), nil // the last line may lack its end
	}
	return nil, nil, f.err
}

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
