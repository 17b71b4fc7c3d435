package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/internal/wire"
	"github.com/turbone/jarvis/nodes/route"
)

const (
	// requestReadTimeout is the time for a client to send its request,
	// responseWriteTimeout the time for it to receive a part of the response.
	requestReadTimeout   = time.Minute
	responseWriteTimeout = time.Minute
)

// Gateway is an HTTP handler that answers the requests of OpenAI's, Anthropic's
// and Ollama's clients from the nodes of a table. Safe for concurrent use.
type Gateway struct {
	forwarder *forwarder
	keyring   *keyring
	origins   *origins
}

// New returns a gateway to the nodes of a table, which a healer or the program
// keeps up to date. With keys, requests without one of them are refused with
// status 401. The error names the option that is wrong.
func New(t *route.Table, o Options, keys ...Key) (*Gateway, error) {
	f, err := newForwarder(t, o)
	if err != nil {
		return nil, err
	}
	allowed, err := newOrigins(o.Origins, len(keys) > 0)
	if err != nil {
		return nil, err
	}
	return &Gateway{forwarder: f, keyring: newKeyring(keys), origins: allowed}, nil
}

// CloseIdleConnections closes the idle connections to nodes.
func (g *Gateway) CloseIdleConnections() { g.forwarder.transport.CloseIdleConnections() }

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.origins.admit(w, r) {
		return
	}
	r = withPath(r, canonical(r.URL.Path))
	if g.answersHealth(w, r) {
		return
	}
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
			o := errorResponse(http.StatusTooManyRequests, r.URL.Path, "the key "+strconv.Quote(l.key.Name)+" has reached its limit of requests")
			o.header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			g.reject(w, r, o, name)
			return
		}
		defer l.release()
		client = name
	}
	a := &request{API: registry.Lookup(r.URL.Path), query: r.URL.RawQuery, header: r.Header, client: client, keyName: name}
	if r.Method != http.MethodPost || a.API == nil {
		_ = g.writeWhole(w, g.forwarder.serveList(r))
		return
	}
	g.serveRequest(w, r, a)
}

// Guard returns a handler that passes requests with a key of the gateway on to
// next, and refuses others with status 401. Without keys it passes all.
func (g *Gateway) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(g.keyring.limiters) > 0 && g.keyring.find(r.Header) == nil {
			g.unauthorized(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unauthorized refuses a request with an unknown key.
func (g *Gateway) unauthorized(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	g.reject(w, r, errorResponse(http.StatusUnauthorized, r.URL.Path, "unknown API key; send one as Authorization: Bearer KEY"), "")
}

// reject sends a response for which no node was tried, and reports it to the
// observer.
func (g *Gateway) reject(w http.ResponseWriter, r *http.Request, o *response, name string) {
	_ = g.writeWhole(w, o) // an error means that the client is gone
	if g.forwarder.options.Observer == nil {
		return
	}
	v := Observation{API: "other", Client: name, Status: o.status}
	if a := registry.Lookup(r.URL.Path); a != nil {
		v.API = a.Path
	}
	g.forwarder.options.Observer.Observe(v)
}

// serveRequest forwards a request and sends the response.
func (g *Gateway) serveRequest(w http.ResponseWriter, r *http.Request, a *request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(requestReadTimeout)) // writers of tests lack it
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
	beat := newHeartbeat(w, a)
	defer beat.stop()
	o, err := g.forwarder.forward(r.Context(), a, timeout)
	if err != nil {
		o.close(true)
		return // the client is gone
	}
	if o.stream == nil {
		if !beat.stop() {
			o.close(g.writeWhole(w, o) != nil)
			return
		}
		o.close(beat.write(a.Errors.ErrorFrame(o.status, wire.ErrorText(o.body))) != nil)
		return
	}
	o.close(g.writeStream(beat, o) != nil)
}

// readBody reads a request's body, up to Options.MaxBody.
func (g *Gateway) readBody(r *http.Request) (*buffer, error) {
	most := g.forwarder.options.MaxBody
	if r.ContentLength > most {
		return nil, badRequest{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", most)}
	}
	if r.Header["Content-Encoding"] != nil {
		return g.readPacked(r)
	}
	if r.ContentLength >= 0 {
		body := g.forwarder.buffers.get(int(r.ContentLength))
		if _, err := io.ReadFull(r.Body, body.bytes); err != nil {
			return nil, badRequest{http.StatusBadRequest, "the request is incomplete: " + err.Error()}
		}
		return body, nil
	}
	return g.readAll(r.Body)
}

// readPacked reads the body of a request with a content coding.
func (g *Gateway) readPacked(r *http.Request) (*buffer, error) {
	body, err := unpack(r.Header, r.Body)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return g.readAll(body)
}

// readAll reads a body of unknown length.
func (g *Gateway) readAll(from io.Reader) (*buffer, error) {
	most := g.forwarder.options.MaxBody
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case err != nil:
		return nil, badRequest{http.StatusBadRequest, "the request is incomplete: " + err.Error()}
	case int64(len(body)) > most:
		return nil, badRequest{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", most)}
	}
	return newBuffer(body), nil
}

// answersHealth answers the questions of whoever runs the gateway, who has no key:
// whether it runs, and whether a node serves. It reports whether it did.
func (g *Gateway) answersHealth(w http.ResponseWriter, r *http.Request) bool {
	status, text := http.StatusOK, "ok\n"
	switch r.URL.Path {
	case "/healthz":
	case "/readyz":
		t := g.forwarder.table
		if !slices.ContainsFunc(t.Nodes(), func(n *nodes.Node) bool { return t.Serves(n.Name) }) {
			status, text = http.StatusServiceUnavailable, "no node serves now\n"
		}
	default:
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		_ = g.writeWhole(w, errorResponse(http.StatusMethodNotAllowed, r.URL.Path, r.URL.Path+" takes GET requests"))
		return true
	}
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}}
	_ = g.writeWhole(w, &response{status: status, header: header, body: []byte(text)})
	return true
}

// writeWhole sends a response that is not streamed.
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

// writeStream sends a stream as it arrives. An error means that the client went
// away or does not read.
func (g *Gateway) writeStream(beat *heartbeat, o *response) error {
	if err := beat.begin(o); err != nil {
		return err
	}
	for {
		part, err := o.next()
		if len(part) > 0 {
			if err := beat.write(part); err != nil {
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

// Serve is [Serve] for the gateway.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	return Serve(ctx, l, g, grace)
}

// Serve accepts connections from l for any handler until ctx ends. Then it waits
// for the requests in flight, for grace at most, and returns nil. Any error is
// the listener's. It closes connections that are idle for 2 min, and those that
// take more than 10 s to send a header.
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
			_ = server.Close() // ends the requests that are still in flight
		}
	})
	serving.Wait()
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}
