package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
)

// Guard lets requests through to next that carry the token. If token is empty it
// lets requests through whose Host is this machine. A request of /healthz is let
// through in any case.
func Guard(next http.Handler, token nodes.Secret) http.Handler {
	guarded := localOnly(next, "requests for other hosts need a token")
	if !token.Empty() {
		guarded = bearerOnly(next, token)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// bearerOnly answers 401 to requests that don't carry the token.
func bearerOnly(next http.Handler, token nodes.Secret) http.Handler {
	want := sha256.Sum256([]byte(token.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		bearer := strings.EqualFold(scheme, "Bearer")
		got := sha256.Sum256([]byte(given)) // of one length, whatever was sent
		if !bearer || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "send the status API's token as Authorization: Bearer", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localOnly answers 403 to requests whose Host isn't this machine. This stops
// DNS rebinding: a page whose host name was made to resolve to 127.0.0.1.
func localOnly(next http.Handler, remedy string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			http.Error(w, "ask by the address 127.0.0.1; "+remedy, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal reports whether a request's Host names this machine.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

const (
	// statusGrace is how long answers under way may take after the end. Streams
	// of events don't end by themselves and are cut.
	statusGrace = time.Second
	// readLimit bounds the wait for the body of a request, and maxBody its
	// length in bytes.
	readLimit, maxBody = 10 * time.Second, 1 << 20
	// writeLimit bounds an answer. Handlers that take longer lift it.
	writeLimit = 30 * time.Second
)

// serveStatus answers on l until ctx ends, and closes l.
func serveStatus(ctx context.Context, l net.Listener, handler http.Handler) error {
	if err := gateway.Serve(ctx, l, limited(handler, readLimit), statusGrace); err != nil {
		return &Error{PartStatus, err}
	}
	return nil
}

// limited sets the deadlines of each request. The body is read before next is
// called: a read deadline that passes later would end the request's context.
func limited(next http.Handler, read time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// An error of a deadline means that the connection is gone.
		_ = control.SetWriteDeadline(time.Now().Add(writeLimit))
		if r.ContentLength != 0 {
			_ = control.SetReadDeadline(time.Now().Add(read))
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				http.Error(w, "the body is too large or came too slowly", http.StatusBadRequest)
				return
			}
			_ = control.SetReadDeadline(time.Time{})
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}
