package nodetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Network is a network in memory, for fakes and clients in the virtual time of
// [testing/synctest]: what happens on it does not depend on the speed of the
// machine. The zero value is ready for use. Its methods are safe for concurrent
// use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	conns     map[*memoryConn]bool
	ports     int
}

// Listen returns a listener on an address, such as "127.0.0.1:0" for a free port.
// It is an error if another one listens there.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a.Port == 0 {
		n.ports++
		a.Port = 1<<14 + n.ports
	}
	if _, taken := n.listeners[a.String()]; taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: a, Err: fmt.Errorf("address in use")}
	}
	l := &memoryListener{network: n, addr: a, accepted: make(chan net.Conn), closed: make(chan struct{})}
	if n.listeners == nil {
		n.listeners, n.conns = map[string]*memoryListener{}, map[*memoryConn]bool{}
	}
	n.listeners[a.String()] = l
	return l, nil
}

// DialContext connects to a listener. Where none listens, the connection is
// refused as the system refuses it.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, ok := n.listeners[addr]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", connectionRefused)}
	if !ok {
		return nil, refused
	}
	client, server := net.Pipe()
	near, far := &memoryConn{client, n}, &memoryConn{server, n}
	n.mu.Lock()
	n.conns[near], n.conns[far] = true, true
	n.mu.Unlock()
	var err error
	select {
	case l.accepted <- far:
		return near, nil
	case <-l.closed:
		err = refused
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = near.Close()
	_ = far.Close()
	return nil, err
}

// Transport returns a transport of requests over this network.
func (n *Network) Transport() *http.Transport {
	return &http.Transport{DialContext: n.DialContext, MaxIdleConnsPerHost: 4, IdleConnTimeout: 3 * time.Second}
}

// Close ends all connections.
func (n *Network) Close() {
	n.mu.Lock()
	conns := n.conns
	n.conns = map[*memoryConn]bool{}
	n.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

type memoryConn struct {
	net.Conn
	network *Network
}

// Close implements [net.Conn].
func (c *memoryConn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c)
	c.network.mu.Unlock()
	return c.Conn.Close()
}

type memoryListener struct {
	network  *Network
	addr     *net.TCPAddr
	accepted chan net.Conn
	once     sync.Once
	closed   chan struct{}
}

// Accept implements [net.Listener].
func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *memoryListener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.addr.String())
		l.network.mu.Unlock()
		close(l.closed)
	})
	return nil
}

// Addr implements [net.Listener].
func (l *memoryListener) Addr() net.Addr { return l.addr }
