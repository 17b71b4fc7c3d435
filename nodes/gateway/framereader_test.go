package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

// spoon reads so many bytes at a time.
type spoon struct {
	from io.Reader
	size int
}

// Read implements io.Reader.
func (s spoon) Read(p []byte) (int, error) { return s.from.Read(p[:min(len(p), s.size)]) }

// cutAll cuts a whole stream, and returns all that came raw and what was in the
// frames that were not empty.
func cutAll(f *frameReader) (raw string, inside []string, err error) {
	for {
		r, in, err := f.next()
		if err != nil {
			return raw, inside, err
		}
		for there := true; there; r, in, there = f.cut() {
			raw += string(r)
			if len(in) > 0 {
				inside = append(inside, string(in))
			}
		}
	}
}

func TestFrames(t *testing.T) {
	long := "data: " + strings.Repeat("x", 300)
	for _, tt := range []struct {
		name   string
		events bool
		stream string
		want   []string
	}{
		{"lines", false, "{\"a\":1}\n{\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}},
		{"lines with CRLF", false, "{\"a\":1}\r\n{\"b\":2}\r\n", []string{`{"a":1}`, `{"b":2}`}},
		{"lines with empty ones between", false, "{\"a\":1}\n\n\n{\"b\":2}\n\n", []string{`{"a":1}`, `{"b":2}`}},
		{"the last line without its end", false, "{\"a\":1}\n{\"b\":2}", []string{`{"a":1}`, `{"b":2}`}},
		{"lines that begin like an event", false, "event\nevent: x\n", []string{"event", "event: x"}},
		{"events", true, "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n", []string{"data: 1", "data: 2", "data: [DONE]"}},
		{"events without empty lines", true, "data: 1\ndata: 2\ndata: [DONE]\n", []string{"data: 1", "data: 2", "data: [DONE]"}},
		{"events with CRLF", true, "data: 1\r\n\r\ndata: 2\r\n\r\n", []string{"data: 1", "data: 2"}},
		{"events with names", true, "event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", []string{"event: a\ndata: 1", "event: b\ndata: 2"}},
		{"events with names and CRLF", true, "event: a\r\ndata: 1\r\n\r\nevent: b\r\ndata: 2\r\n\r\n", []string{"event: a\r\ndata: 1", "event: b\r\ndata: 2"}},
		{"comments", true, ": ping\n\n:\n\ndata: 1\n\n", []string{": ping", ":", "data: 1"}},
		{"an event without data", true, "event: ping\n\ndata: 1\n\n", []string{"event: ping", "data: 1"}},
		{"the last event without its end", true, "data: 1\n\nevent: b\ndata: 2", []string{"data: 1", "event: b\ndata: 2"}},
		{"the last event without its data", true, "data: 1\n\nevent: b\n", []string{"data: 1", "event: b"}},
		{"larger than the room", true, long + "\n\nevent: b\n" + long + "\n\ndata: 1\n\n", []string{long, "event: b\n" + long, "data: 1"}},
		{"nothing", true, "", nil},
		{"nothing but space", true, "\n\n \r\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.stream)+1; size++ {
				for _, room := range []int{1, 16, 4096} {
					f := newFrameReader(spoon{strings.NewReader(tt.stream), size}, tt.events, make([]byte, room))
					raw, inside, err := cutAll(f)
					if !errors.Is(err, io.EOF) {
						t.Fatalf("%d bytes at a time: %v", size, err)
					}
					inside = trimAll(inside)
					if diff := cmp.Diff(tt.want, inside); diff != "" {
						t.Fatalf("%d bytes at a time into a room of %d (-want +got):\n%s", size, room, diff)
					}
					if strings.TrimSpace(raw) != strings.TrimSpace(tt.stream) || !strings.HasPrefix(tt.stream, raw) {
						t.Fatalf("%d bytes at a time into a room of %d: passed on %q of %q", size, room, raw, tt.stream)
					}
					if _, _, err := f.next(); !errors.Is(err, io.EOF) {
						t.Fatalf("after the end: %v", err)
					}
				}
			}
		})
	}
}

// trimAll leaves frames out in which there is only space.
func trimAll(list []string) (out []string) {
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// TestFramesBreak: what came before the break comes out, what was cut off
// doesn't, and the error is the reader's own, as often as it is asked for.
func TestFramesBreak(t *testing.T) {
	broke := errors.New("connection reset")
	for size := 1; size < 30; size++ {
		from := spoon{io.MultiReader(strings.NewReader("data: 1\n\ndata: 2"), failing{broke}), size}
		f := newFrameReader(from, true, make([]byte, 16))
		raw, inside, err := cutAll(f)
		if diff := cmp.Diff([]string{"data: 1"}, inside); diff != "" || raw != "data: 1\n\n" || !errors.Is(err, broke) {
			t.Errorf("%d bytes at a time: %q, %v", size, raw, err)
		}
		if _, _, err := f.next(); !errors.Is(err, broke) {
			t.Errorf("asked again: %v", err)
		}
	}
}

type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// endless is one byte for ever.
type endless byte

// Read implements io.Reader.
func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// TestFrameTooLong: a frame has an end, also where its sender knows none.
func TestFrameTooLong(t *testing.T) {
	for _, of := range []endless{'x', '\r'} {
		t.Run(fmt.Sprintf("%q", byte(of)), func(t *testing.T) {
			f := newFrameReader(of, true, make([]byte, frameBufferSize))
			_, _, err := f.next()
			if nodes.FaultOf(err) != nodes.Protocol || len(f.buf) != maxFrame {
				t.Errorf("%v, in a room of %d bytes", err, len(f.buf))
			}
		})
	}
	exact := append(bytes.Repeat([]byte("x"), maxFrame-1), '\n')
	f := newFrameReader(bytes.NewReader(exact), true, make([]byte, frameBufferSize))
	if raw, _, err := f.next(); err != nil || len(raw) != maxFrame {
		t.Errorf("one as long as may be: %d bytes, %v", len(raw), err)
	}
}

func TestFramesPeek(t *testing.T) {
	for _, tt := range []struct{ stream, want string }{
		{"\n\r\n \t{\"a\":1}", `{`},
		{"data: 1\n\n", "d"},
		{"  \n", ""},
		{"", ""},
	} {
		f := newFrameReader(spoon{strings.NewReader(tt.stream), 1}, true, make([]byte, 4))
		if got := f.peek(); string(got) != tt.want {
			t.Errorf("%q: peeked %q, want %q", tt.stream, got, tt.want)
		}
		if raw, _, err := cutAll(f); !errors.Is(err, io.EOF) || strings.TrimSpace(raw) != strings.TrimSpace(tt.stream) {
			t.Errorf("%q: peeking took something away: %q, %v", tt.stream, raw, err)
		}
	}
}
