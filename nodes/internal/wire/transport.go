package wire

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// NewTransport returns a transport for servers on a local network. It connects
// within two seconds and keeps as many idle connections as there are clients, but
// only for three seconds: some servers close theirs after five, even if a request
// is on its way. Responses are not decompressed, because streams are read on the
// way.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if tcp, ok := c.(*net.TCPConn); ok && err == nil {
				return conn{tcp}, nil
			}
			return c, err
		},
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        3 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true,
		ReadBufferSize:         32 << 10,
	}
}

// conn is a connection to a server. It writes the body of a request in one call
// if that is a sized body, where the library would copy it in pieces of 32 KiB.
type conn struct{ *net.TCPConn }

// sized is a body in memory, such as a [bytes.Reader].
type sized interface {
	io.WriterTo
	Len() int
}

// ReadFrom implements [io.ReaderFrom].
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(sized); ok && int64(body.Len()) <= limited.N {
			n, err := body.WriteTo(c.TCPConn)
			limited.N -= n
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
