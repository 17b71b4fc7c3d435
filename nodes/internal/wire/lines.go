package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
)

// Lines reads the body of an answer line by line. Each line and the whole body
// are bounded. Use it from one goroutine.
type Lines struct {
	client  *Client
	ctx     context.Context
	action  string
	from    *bufio.Reader
	longest int
	limit   int64
	left    int64 // bytes that may still come
}

// Lines returns a reader of lines of at most longest bytes, and of limit bytes
// in all. ctx is that of the request, and action the one its errors name.
func (c *Client) Lines(ctx context.Context, action string, from *bufio.Reader, longest int, limit int64) *Lines {
	return &Lines{client: c, ctx: ctx, action: action, from: from, longest: longest, limit: limit, left: limit}
}

// Next returns the next line without the white space around it. It blocks until
// the line is complete. The last line comes with [io.EOF]; every other error is
// one of the action, with its fault.
func (l *Lines) Next() ([]byte, error) {
	var line []byte
	for {
		part, err := l.from.ReadSlice('\n')
		line = append(line, part...)
		l.left -= int64(len(part))
		switch {
		case len(line) > l.longest:
			return nil, l.client.TooLarge(l.action, int64(l.longest))
		case l.left < 0:
			return nil, l.client.TooLarge(l.action, l.limit)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF): // io.ErrUnexpectedEOF is another error
			return bytes.TrimSpace(line), io.EOF
		case err != nil:
			return nil, l.client.Transport(l.ctx, l.action, err)
		}
		return bytes.TrimSpace(line), nil
	}
}

// Buffered returns what came of the lines after this one. It does not block.
func (l *Lines) Buffered() []byte {
	rest, _ := l.from.Peek(l.from.Buffered()) // can't fail: it is there
	return rest
}
