package gateway

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

// minPooled is the size in bytes from which on buffers are pooled. Smaller ones
// are cheap to allocate.
const minPooled = 32 << 10

// bufferPool is a pool of byte slices. To allocate and clear a large one costs
// more than to fill it. The zero value is ready. Safe for concurrent use.
type bufferPool struct{ pools [12]sync.Pool } // by powers of two from minPooled on

// buffer is a byte slice with a count of its users.
type buffer struct {
	bytes []byte
	refs  atomic.Int32
	pool  *sync.Pool // nil where it isn't pooled
}

// get returns a buffer of that size in bytes with one user.
func (p *bufferPool) get(size int) *buffer {
	class := 0
	for minPooled<<class < size {
		class++
	}
	if size < minPooled || class >= len(p.pools) {
		return newBuffer(make([]byte, size))
	}
	b, ok := p.pools[class].Get().(*buffer)
	if !ok {
		b = &buffer{bytes: make([]byte, minPooled<<class), pool: &p.pools[class]}
	}
	b.bytes = b.bytes[:size]
	b.refs.Store(1)
	return b
}

// newBuffer returns a buffer of these bytes with one user. It isn't pooled.
func newBuffer(bytes []byte) *buffer {
	b := &buffer{bytes: bytes}
	b.refs.Store(1)
	return b
}

// retain adds a user.
func (b *buffer) retain() { b.refs.Add(1) }

// release removes a user. After the last one the buffer goes back to its pool,
// and its bytes must not be used.
func (b *buffer) release() {
	if b.refs.Add(-1) == 0 && b.pool != nil {
		b.bytes = b.bytes[:cap(b.bytes)]
		b.pool.Put(b)
	}
}

// requestBody is a pooled body of a request to a node. It retains its buffer until
// the transport closes it, which may be after the response has arrived.
type requestBody struct {
	buffer *buffer
	offset int
	closed atomic.Bool
}

// newRequestBody returns a body of a request. One that isn't pooled is a reader
// that the library knows, so that it is sent by one write with its header.
func newRequestBody(b *buffer) io.ReadCloser {
	if b.pool == nil {
		return io.NopCloser(bytes.NewReader(b.bytes))
	}
	b.retain()
	return &requestBody{buffer: b}
}

// Read implements io.Reader.
func (o *requestBody) Read(p []byte) (int, error) {
	if o.offset == len(o.buffer.bytes) {
		return 0, io.EOF
	}
	n := copy(p, o.buffer.bytes[o.offset:])
	o.offset += n
	return n, nil
}

// Len returns the number of bytes that are not yet read.
func (o *requestBody) Len() int { return len(o.buffer.bytes) - o.offset }

// WriteTo implements [io.WriterTo].
func (o *requestBody) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(o.buffer.bytes[o.offset:])
	o.offset += n
	return int64(n), err
}

// Close implements io.Closer.
func (o *requestBody) Close() error {
	if o.closed.CompareAndSwap(false, true) {
		o.buffer.release()
	}
	return nil
}
