package arena_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
	"github.com/turbone/jarvis/nodes/ollama"
)

// proxy stands between a node and its server. While it has an answer of its own,
// no request gets through.
type proxy struct {
	http.RoundTripper
	mu     sync.Mutex
	status int // 0 lets requests through
	body   string
}

// RoundTrip implements [http.RoundTripper].
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	status, body := p.status, p.body
	p.mu.Unlock()
	if status == 0 {
		return p.RoundTripper.RoundTrip(r)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (p *proxy) answers(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

// server is a fake Ollama in virtual time, behind a proxy.
type server struct {
	*stage
	fake  *nodetest.Ollama
	proxy *proxy
}

func newServer(t *testing.T) *server {
	t.Helper()
	network := &nodetest.Network{}
	t.Cleanup(network.Close)
	slow := func(m nodetest.Model) nodetest.Model {
		m.TokensPerSecond, m.LoadTime = 20, 2*time.Second
		return m
	}
	models := []nodetest.Model{slow(model("old", 0.2)), slow(model("new", 1))}
	fake := nodetest.NewOllama(t, nodetest.Options{Models: models, Loaded: []string{"old"}, Network: network})
	p := &proxy{RoundTripper: network.Transport()}
	backend, err := ollama.New(nodes.Connection{Node: "M1", URL: fake.URL, Transport: p})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{onStage(t, "ollama", backend, "old"), fake, p}
	s.figures = arena.Figures{Warmup: 1}
	return s
}

// outages are the ways in which a server is not ready, each with its end.
func outages() map[string][2]func(*server) {
	proxied := func(status int, body string) [2]func(*server) {
		return [2]func(*server){
			func(s *server) { s.proxy.answers(status, body) },
			func(s *server) { s.proxy.answers(0, "") },
		}
	}
	faulty := func(f nodetest.Fault) [2]func(*server) {
		return [2]func(*server){func(s *server) { s.fake.Break(f) }, func(s *server) { s.fake.Mend(f) }}
	}
	return map[string][2]func(*server){
		"refused":          faulty(nodetest.Down),
		"hangs":            faulty(nodetest.Hang),
		"cut off":          faulty(nodetest.CutOff),
		"500 of Ollama":    faulty(nodetest.Status500),
		"not JSON":         faulty(nodetest.NotJSON),
		"500 without body": proxied(http.StatusInternalServerError, ""),
		"502 of a proxy":   proxied(http.StatusBadGateway, "<html><title>502 Bad Gateway</title></html>"),
		"503 of a proxy":   proxied(http.StatusServiceUnavailable, "no server is available"),
		"404 of a proxy":   proxied(http.StatusNotFound, "<html><title>404</title></html>"),
		"restarted": {
			func(s *server) { s.fake.Break(nodetest.Down) },
			func(s *server) { s.fake.Restart() },
		},
	}
}

// fails makes an outage after a pause, for a while.
func (s *server) fails(outage [2]func(*server), after, lasts time.Duration) {
	time.AfterFunc(after, func() { outage[0](s) })
	time.AfterFunc(after+lasts, func() { outage[1](s) })
}

// once calls do at the first event that is meant.
func (s *stage) once(meant func(arena.Event) bool, do func()) {
	done := false
	s.heard = func(e arena.Event) {
		if !done && meant(e) {
			done = true
			do()
		}
	}
}

// fifth means the fifth test of a role.
func fifth(role arena.Role) func(arena.Event) bool {
	tests := 0
	return func(e arena.Event) bool {
		if e.Type == arena.EventTest && e.Role == role {
			tests++
		}
		return tests == 5
	}
}

// TestOutagesAreWaitedFor: however a server is not ready, for one outage of five
// seconds or for two short ones, in the turn of either model, in a load or at the
// promotion, the tournament goes on to its verdict. Of the tests without an answer
// only those count that are fewer than three in a row. Without JARVIS_FULL each
// outage is played at one moment.
func TestOutagesAreWaitedFor(t *testing.T) {
	type moment struct {
		name  string
		meant func() func(arena.Event) bool
	}
	moments := []moment{
		{"champion", func() func(arena.Event) bool { return fifth(arena.Champion) }},
		{"candidate", func() func(arena.Event) bool { return fifth(arena.Candidate) }},
		{"load", func() func(arena.Event) bool {
			return func(e arena.Event) bool { return e.Type == arena.EventLoading && e.Model == "new" }
		}},
		{"promotion", func() func(arena.Event) bool {
			return func(e arena.Event) bool { return e.Type == arena.EventConfirmed }
		}},
	}
	type spell struct{ after, lasts time.Duration }
	shapes := []struct {
		name   string
		spells []spell
	}{
		{"two short", []spell{{0, 600 * time.Millisecond}, {3 * time.Second, 600 * time.Millisecond}}},
		{"long", []spell{{0, 5 * time.Second}}},
		{"a moment later", []spell{{time.Second, 5 * time.Second}}},
	}
	for i, name := range slices.Sorted(maps.Keys(outages())) {
		for j, moment := range moments {
			for k, shape := range shapes {
				if !full() && (j != i%len(moments) || k != i%len(shapes)) {
					continue
				}
				t.Run(name+"/"+moment.name+"/"+shape.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newServer(t)
						var over time.Time
						s.once(moment.meant(), func() {
							for _, spell := range shape.spells {
								over = time.Now().Add(spell.after + spell.lasts)
								s.fails(outages()[name], spell.after, spell.lasts)
							}
						})
						result, err := s.arena().Hold(t.Context(), challenge(s.stage, "new"))
						if err != nil || result.Verdict != arena.VerdictPromoted {
							t.Fatalf("%s: %s, %v", result.Verdict, result.Reason, err)
						}
						if errors := result.Champion.Errors + result.Candidate.Errors; errors > 2 {
							t.Errorf("%d tests without an answer count", errors)
						}
						if time.Now().After(over) { // an outage after the verdict is the healer's
							s.serves("new")
						}
					})
				})
			}
		}
	}
}

// TestOutagesThatStay: the tournament is cut short once the patience is over, in the
// turn of either model, and can be resumed. Without JARVIS_FULL each outage is played
// in one turn.
func TestOutagesThatStay(t *testing.T) {
	roles := []arena.Role{arena.Champion, arena.Candidate}
	for i, name := range slices.Sorted(maps.Keys(outages())) {
		outage := outages()[name]
		for j, role := range roles {
			if !full() && j != i%len(roles) {
				continue
			}
			t.Run(name+"/"+string(role), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(t)
					s.once(fifth(role), func() { outage[0](s) })
					result, err := s.arena().Hold(t.Context(), challenge(s.stage, "new"))
					if !errors.Is(err, arena.ErrCutShort) || result.Verdict != arena.VerdictFailed || !strings.HasPrefix(result.Reason, "cut short after ") {
						t.Fatalf("%s: %s, %v", result.Verdict, result.Reason, err)
					}
					if told := s.count(arena.EventAway); told != 1 || s.count(arena.EventDropped) > 0 {
						t.Errorf("told %d times that it waits, dropped: %+v", told, s.last(arena.EventDropped))
					}
					outage[1](s)
					if u := oneRecovered(t, s.stage); u.Err != nil {
						t.Error(u.Err)
					}
					s.serves("old")
					ranking, err := s.arena().Resume(t.Context(), s.node, "")
					if err != nil || ranking.Verdict != arena.VerdictPromoted || ranking.Final.Candidate.Errors+ranking.Final.Champion.Errors > 0 {
						t.Errorf("resumed: %+v, %v", ranking.Final, err)
					}
					s.serves("new")
				})
			})
		}
	}
}
