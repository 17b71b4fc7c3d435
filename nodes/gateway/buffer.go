package gateway

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// largeRoom is from which size on rooms are used again, in bytes: smaller ones
// are cheap to make.
const minPooled = 32 << 10

// rooms are byte slices to be used again. A large one costs more to make than
// to fill.
type bufferPool struct{ pools [12]sync.Pool } // by powers of two from largeRoom on

// room is a byte slice that several hold.
type buffer struct {
	bytes []byte
	refs  atomic.Int32
	pool  *sync.Pool // nil where it isn't used again
}

// get returns a room of that size, held once.
func (r *bufferPool) get(size int) *buffer {
	class := 0
	for minPooled<<class < size {
		class++
	}
	if size < minPooled || class >= len(r.pools) {
		out := &buffer{bytes: make([]byte, size)}
		out.refs.Store(1)
		return out
	}
	out, ok := r.pools[class].Get().(*buffer)
	if !ok {
		out = &buffer{bytes: make([]byte, minPooled<<class), pool: &r.pools[class]}
	}
	out.bytes = out.bytes[:size]
	out.refs.Store(1)
	return out
}

// whole wraps what was made elsewhere.
func newBuffer(b []byte) *buffer {
	out := &buffer{bytes: b}
	out.refs.Store(1)
	return out
}

func (r *buffer) retain() { r.refs.Add(1) }

// release gives up one hold. With the last one the bytes are somebody else's.
func (r *buffer) release() {
	if r.refs.Add(-1) == 0 && r.pool != nil {
		r.bytes = r.bytes[:cap(r.bytes)]
		r.pool.Put(r)
	}
}

// outgoing is a request's body on its way. It holds its room until the
// transport has closed it, which may be after the answer came.
type requestBody struct {
	buffer *buffer
	offset int
	closed atomic.Bool
}

func newRequestBody(r *buffer) *requestBody {
	r.retain()
	return &requestBody{buffer: r}
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

// wholeConn sends a body in one call, where the library would copy it piece by
// piece.
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
