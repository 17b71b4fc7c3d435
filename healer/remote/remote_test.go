package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/healer/healertest"
	"github.com/turbone/jarvis/healer/remote"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/lmstudio"
	"github.com/turbone/jarvis/nodes/nodetest"
)

const secret = "sk-secret-token"

// client makes a client of an address.
func client(t *testing.T, c remote.Config) *remote.Client {
	t.Helper()
	h, err := remote.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serve answers with a healer's status API at an address of its own, behind the
// daemon's guard.
func serve(t *testing.T, h healer.Healer) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(daemon.Guard(healer.NewHandler(h), nodes.NewSecret(secret)))
	t.Cleanup(s.Close)
	return s
}

// TestConformance: a client of a watchdog, and one of a fake, keep the contract
// of a healer.
func TestConformance(t *testing.T) {
	for name, start := range map[string]func(*testing.T) healer.Healer{
		"watchdog": watchdog,
		"fake":     func(*testing.T) healer.Healer { return healertest.New("M1", "M2") },
	} {
		t.Run(name, func(t *testing.T) {
			healertest.Run(t, func(t *testing.T) healer.Healer {
				return client(t, remote.Config{Address: serve(t, start(t)).URL, Token: nodes.NewSecret(secret)})
			})
		})
	}
}

// watchdog runs a watchdog over two fake servers until the end of the test.
func watchdog(t *testing.T) healer.Healer {
	t.Helper()
	var list []*nodes.Node
	for _, name := range []string{"M1", "M2"} {
		backend, err := lmstudio.New(nodes.Connection{Node: name, URL: nodetest.NewLMStudio(t, nodetest.Options{}).URL})
		if err != nil {
			t.Fatal(err)
		}
		node, err := nodes.New(nodes.Node{Name: name, Engine: "lmstudio", Backend: backend})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, node)
	}
	set, err := nodes.NewSet(list...)
	if err != nil {
		t.Fatal(err)
	}
	h, err := healer.New(healer.Config{Nodes: set})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

// TestErrors: what an answer that is none says, and of which kind it is.
func TestErrors(t *testing.T) {
	say := func(code int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.Handler
		is     error
		want   string
	}{
		{"another token", daemon.Guard(healer.NewHandler(healertest.New("M1")), nodes.NewSecret("sk-another")), remote.ErrUnauthorized, "the healer does not accept the token"},
		{"another program", http.NotFoundHandler(), remote.ErrNotHealer, "not a healer: HTTP 404"},
		{"a page", say(200, "text/html", "<html>"), remote.ErrNotHealer, "not a healer"},
		{"other JSON", say(200, "application/json", "{}"), remote.ErrNotHealer, "not a healer"},
		{"a redirect", http.RedirectHandler("https://example.com/login", http.StatusFound), remote.ErrNotHealer, "HTTP 302"},
		{"a proxy without it", say(502, "text/html", "<html>bad gateway</html>"), nil, "HTTP 502"},
		{"an error of its own", say(500, "text/plain", "the disk\nis full"), nil, "HTTP 500: the disk is full"},
		{"an answer without end", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}), remote.ErrNotHealer, "larger than 32 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			h := client(t, remote.Config{Address: strings.TrimPrefix(s.URL, "http://"), Token: nodes.NewSecret(secret), Timeout: time.Minute})
			_, err := h.Status(t.Context())
			if err == nil || c.is != nil && !errors.Is(err, c.is) || errors.Is(err, healer.ErrNotRunning) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "sk-") {
				t.Errorf("a token is printed: %v", err)
			}
		})
	}
	h := client(t, remote.Config{Address: freeAddress(t)})
	if _, err := h.Status(t.Context()); !errors.Is(err, healer.ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
	if err := h.Run(t.Context()); !errors.Is(err, healer.ErrNotRunning) {
		t.Errorf("Run without a healer: %v", err)
	}
	for _, err := range h.Events(t.Context(), 0) {
		if !errors.Is(err, healer.ErrNotRunning) {
			t.Errorf("Events without a healer: %v", err)
		}
	}
}

// TestAddresses: the address that a daemon listens on is one to ask; others are
// refused.
func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "box", "ftp://box", "http://user:sk-secret@box", "http://"} {
		if _, err := remote.New(remote.Config{Address: bad}); err == nil || strings.Contains(err.Error(), "sk-") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	s := serve(t, healertest.New("M1"))
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port, s.URL + "/"} {
		h := client(t, remote.Config{Address: address, Token: nodes.NewSecret(secret)})
		if _, err := h.Status(t.Context()); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestTimeout: a healer that accepts and is silent is waited for as long as the
// configuration says.
func TestTimeout(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	h := client(t, remote.Config{Address: s.URL, Timeout: 10 * time.Millisecond})
	if _, err := h.Status(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// restartable serves one healer after another at the same address.
type restartable struct {
	t       *testing.T
	address string
	server  *http.Server
	serving sync.WaitGroup
}

func (r *restartable) start(h healer.Healer) {
	r.t.Helper()
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.server = &http.Server{Handler: healer.NewHandler(h), ReadHeaderTimeout: time.Minute}
	r.serving.Go(func() { _ = r.server.Serve(l) })
}

func (r *restartable) stop() {
	_ = r.server.Close()
	r.serving.Wait()
}

// TestEventsSurviveARestart: the events of a daemon that is restarted in the
// middle come once each and in order.
func TestEventsSurviveARestart(t *testing.T) {
	h := healertest.New("M1")
	d := &restartable{t: t, address: "127.0.0.1:0"}
	d.start(h)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := client(t, remote.Config{Address: d.address})
	var got []uint64
	h.Emit(healer.Event{Detail: "before"})
	for e, err := range c.Events(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID)
		switch e.ID {
		case 1: // while it is away, and after
			d.stop()
			h.Emit(healer.Event{Detail: "meanwhile"})
			d.start(h)
			h.Emit(healer.Event{Detail: "after"})
		case 3: // and a cut connection alone
			d.server.Close()
			d.stop()
			d.start(h)
			h.Emit(healer.Event{Detail: "last"})
		}
		if e.ID == 4 {
			break
		}
	}
	d.stop()
	if diff := cmp.Diff([]uint64{1, 2, 3, 4}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestPatience: one that was there and stays away is given up on.
func TestPatience(t *testing.T) {
	h := healertest.New("M1")
	d := &restartable{t: t, address: "127.0.0.1:0"}
	d.start(h)
	c := client(t, remote.Config{Address: d.address, Patience: time.Millisecond})
	h.Emit(healer.Event{Detail: "the only one"})
	var last error
	for _, err := range c.Events(t.Context(), 0) {
		if last = err; err == nil {
			d.stop()
		}
	}
	// The patience may be over before the stream's end is seen.
	if !errors.Is(last, healer.ErrNotRunning) && !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("ended with %v", last)
	}
}

// TestSpoiledStream: what is no event ends the connection, not the program.
func TestSpoiledStream(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":         "data: {\"id\":\n\n",
		"a line too long": "data: " + strings.Repeat("x", 2<<20) + "\n\n",
		"too many lines":  strings.Repeat("data: "+strings.Repeat("x", 1<<19)+"\n", 4) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				if asked++; asked == 1 {
					_, _ = io.WriteString(w, ": alive\n\nid: 7\nevent: healthy\ndata: {\"id\":7,\ndata: \"type\":\"healthy\"}\n\n"+body)
					return
				}
				_, _ = io.WriteString(w, "data: {\"id\":8}\n\n")
			}))
			defer s.Close()
			var got []uint64
			for e, err := range client(t, remote.Config{Address: s.URL}).Events(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, e.ID); e.ID == 8 {
					break
				}
			}
			if diff := cmp.Diff([]uint64{7, 8}, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
