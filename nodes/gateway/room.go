package gateway

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// largeRoom is from which size on rooms are used again, in bytes: smaller ones
// are cheap to make.
const largeRoom = 32 << 10

// rooms are byte slices to be used again. A large one costs more to make than
// to fill.
type rooms struct{ pools [12]sync.Pool } // by powers of two from largeRoom on

// room is a byte slice that several hold.
type room struct {
	bytes []byte
	held  atomic.Int32
	to    *sync.Pool // nil where it isn't used again
}

// get returns a room of that size, held once.
func (r *rooms) get(size int) *room {
	class := 0
	for largeRoom<<class < size {
		class++
	}
	if size < largeRoom || class >= len(r.pools) {
		out := &room{bytes: make([]byte, size)}
		out.held.Store(1)
		return out
	}
	out, ok := r.pools[class].Get().(*room)
	if !ok {
		out = &room{bytes: make([]byte, largeRoom<<class), to: &r.pools[class]}
	}
	out.bytes = out.bytes[:size]
	out.held.Store(1)
	return out
}

// whole wraps what was made elsewhere.
func wrap(b []byte) *room {
	out := &room{bytes: b}
	out.held.Store(1)
	return out
}

func (r *room) hold() { r.held.Add(1) }

// release gives up one hold. With the last one the bytes are somebody else's.
func (r *room) release() {
	if r.held.Add(-1) == 0 && r.to != nil {
		r.bytes = r.bytes[:cap(r.bytes)]
		r.to.Put(r)
	}
}

// outgoing is a request's body on its way. It holds its room until the
// transport has closed it, which may be after the answer came.
type outgoing struct {
	room   *room
	at     int
	closed atomic.Bool
}

func newOutgoing(r *room) *outgoing {
	r.hold()
	return &outgoing{room: r}
}

// Read implements io.Reader.
func (o *outgoing) Read(p []byte) (int, error) {
	if o.at == len(o.room.bytes) {
		return 0, io.EOF
	}
	n := copy(p, o.room.bytes[o.at:])
	o.at += n
	return n, nil
}

// Close implements io.Closer.
func (o *outgoing) Close() error {
	if o.closed.CompareAndSwap(false, true) {
		o.room.release()
	}
	return nil
}

// wholeConn sends a body in one call, where the library would copy it piece by
// piece.
type wholeConn struct{ *net.TCPConn }

// ReadFrom implements io.ReaderFrom.
func (c wholeConn) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if ok {
		if o, ok := limited.R.(*outgoing); ok && int64(len(o.room.bytes)-o.at) <= limited.N {
			n, err := c.Write(o.room.bytes[o.at:])
			o.at += n
			limited.N -= int64(n)
			return int64(n), err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
