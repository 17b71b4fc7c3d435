package gateway

import (
	"io"
	"net"
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

// requestBody is the body of a request to a node. It retains its buffer until
// the transport closes it, which may be after the response has arrived.
type requestBody struct {
	buffer *buffer
	offset int
	closed atomic.Bool
}

func newRequestBody(b *buffer) *requestBody {
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

// Close implements io.Closer.
func (o *requestBody) Close() error {
	if o.closed.CompareAndSwap(false, true) {
		o.buffer.release()
	}
	return nil
}

// nodeConn is a connection to a node. It writes a [requestBody] in one call,
// where the library would copy it in pieces of 32 KiB.
type nodeConn struct{ *net.TCPConn }

// ReadFrom implements io.ReaderFrom.
func (c nodeConn) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if ok {
		if o, ok := limited.R.(*requestBody); ok && int64(len(o.buffer.bytes)-o.offset) <= limited.N {
			n, err := c.Write(o.buffer.bytes[o.offset:])
			o.offset += n
			limited.N -= int64(n)
			return int64(n), err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
