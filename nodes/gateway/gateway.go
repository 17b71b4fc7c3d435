package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/turbone/jarvis/nodes/route"
)

const (
	// slowBody is how long a client may take to send its request,
	// slowReader how long it may leave a part of its answer unread.
	requestReadTimeout   = time.Minute
	responseWriteTimeout = time.Minute
)

// Gateway is the cluster as one server: a handler that takes the requests of
// every client. Safe for concurrent use.
type Gateway struct {
	forwarder *forwarder
	keyring   *keyring
}

// New makes a gateway to the nodes of a table, which somebody has to
// keep. Without keys everybody is let in. The error names the option that is
// wrong.
func New(t *route.Table, o Options, keys ...Key) (*Gateway, error) {
	f, err := newForwarder(t, o)
	if err != nil {
		return nil, err
	}
	return &Gateway{forwarder: f, keyring: newKeyring(keys)}, nil
}

// CloseIdleConnections closes the connections to nodes that no request uses.
func (g *Gateway) CloseIdleConnections() { g.forwarder.transport.CloseIdleConnections() }

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	name := ""
	if len(g.keyring.limiters) > 0 {
		l := g.keyring.find(r.Header)
		if l == nil {
			g.unauthorized(w, r)
			return
		}
		name = l.key.Name
		wait, ok := l.acquire(time.Now())
		if !ok {
			o := errorResponse(http.StatusTooManyRequests, r.URL.Path, "the key "+strconv.Quote(l.key.Name)+" has as many requests as it may")
			o.header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			g.reject(w, r, o, name)
			return
		}
		defer l.release()
		client = name
	}
	a := &request{api: apis[r.URL.Path], query: r.URL.RawQuery, header: r.Header, client: client, keyName: name}
	if r.Method != http.MethodPost || a.api == nil {
		_ = g.writeWhole(w, g.forwarder.serveList(r))
		return
	}
	g.serveRequest(w, r, a)
}

// Guard lets only those through to another handler who have a key of the
// gateway's, where it has keys.
func (g *Gateway) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(g.keyring.limiters) > 0 && g.keyring.find(r.Header) == nil {
			g.unauthorized(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unknown turns a client away.
func (g *Gateway) unauthorized(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	g.reject(w, r, errorResponse(http.StatusUnauthorized, r.URL.Path, "this key is not known here; send one as Authorization: Bearer KEY"), "")
}

// refuse sends an answer that no node was asked for.
func (g *Gateway) reject(w http.ResponseWriter, r *http.Request, o *response, name string) {
	_ = g.writeWhole(w, o) // who doesn't hear it is gone
	if g.forwarder.options.Observer == nil {
		return
	}
	v := Observation{API: "other", Client: name, Status: o.status}
	if a := apis[r.URL.Path]; a != nil {
		v.API = a.path
	}
	g.forwarder.options.Observer.Observe(v)
}

// ask passes a request on.
func (g *Gateway) serveRequest(w http.ResponseWriter, r *http.Request, a *request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(requestReadTimeout)) // a writer that can't is a test's
	var err error
	if a.buffer, err = g.readBody(r); err != nil {
		g.reject(w, r, badRequestResponse(a, err), a.keyName)
		return
	}
	a.body = a.buffer.bytes
	_ = control.SetReadDeadline(time.Time{})
	timeout, err := g.forwarder.parse(a)
	if err != nil {
		g.reject(w, r, badRequestResponse(a, err), a.keyName)
		return
	}
	o, err := g.forwarder.forward(r.Context(), a, timeout)
	if err != nil {
		o.close(true)
		return // the client is gone
	}
	if o.stream == nil {
		o.close(g.writeWhole(w, o) != nil)
		return
	}
	o.close(g.writeStream(w, control, o) != nil)
}

// body reads a request's body, within bounds of size and time.
func (g *Gateway) readBody(r *http.Request) (*buffer, error) {
	most := g.forwarder.options.MaxBody
	if r.ContentLength > most {
		return nil, badRequest{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", most)}
	}
	if r.ContentLength >= 0 {
		body := g.forwarder.buffers.get(int(r.ContentLength))
		if _, err := io.ReadFull(r.Body, body.bytes); err != nil {
			return nil, badRequest{http.StatusBadRequest, "the request is not whole: " + err.Error()}
		}
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	switch {
	case err != nil:
		return nil, badRequest{http.StatusBadRequest, "the request is not whole: " + err.Error()}
	case int64(len(body)) > most:
		return nil, badRequest{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", most)}
	}
	return newBuffer(body), nil
}

// write sends an answer in one piece.
func (g *Gateway) writeWhole(w http.ResponseWriter, o *response) error {
	h := w.Header()
	for name, values := range o.header {
		h[name] = values
	}
	h["Content-Length"] = []string{strconv.Itoa(len(o.body))}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(responseWriteTimeout))
	w.WriteHeader(o.status)
	_, err := w.Write(o.body)
	return err
}

// pump sends a stream as it comes. The error says that the client went away, or
// doesn't read.
func (g *Gateway) writeStream(w http.ResponseWriter, control *http.ResponseController, o *response) error {
	h := w.Header()
	for name, values := range o.header {
		h[name] = values
	}
	w.WriteHeader(o.status)
	var until time.Time
	for {
		part, err := o.next()
		if len(part) > 0 {
			if now := time.Now(); until.Sub(now) < responseWriteTimeout/2 {
				until = now.Add(responseWriteTimeout)
				_ = control.SetWriteDeadline(until)
			}
			if _, err := w.Write(part); err != nil {
				return err
			}
			if err := control.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// Serve takes clients from a listener until ctx ends, then lets the requests
// under way finish for up to grace, and returns. The error is the listener's.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	return Serve(ctx, l, g, grace)
}

// Serve is [Gateway.Serve] for a handler around a gateway, such as one with
// more addresses. It closes connections that are idle, or slow to say what
// they want.
func Serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	var serving conc.WaitGroup
	var err error
	serving.Go(func() { err = server.Serve(l) })
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(limited) != nil {
			_ = server.Close() // who isn't finished by now is cut off
		}
	})
	serving.Wait()
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("gateway: %w", err)
}
