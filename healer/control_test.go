package healer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPause: a paused node is taken out of the route and told, and repaired only
// after the pause, also across a restart.
func TestPause(t *testing.T) {
	for _, byTime := range []bool{true, false} {
		t.Run(map[bool]string{true: "until a time", false: "until resumed"}[byTime], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newSimCluster(t, false, false)
				c.state = filepath.Join(t.TempDir(), "state.json")
				c.start()
				p := Pause{Node: "M1", Why: "rack work"}
				if byTime {
					p.Until = time.Now().Add(time.Hour)
				}
				if err := c.healer.Pause(t.Context(), p); err != nil {
					t.Fatal(err)
				}
				c.stop()
				c.start()
				c.servers[0].drop()
				time.Sleep(30 * time.Minute)
				if n := c.node("M1"); n.State != Offline || n.Paused == nil || n.Paused.Why != "rack work" || c.servers[0].repairs() != 0 {
					t.Errorf("M1 is %s, paused %v, %d attempts", n.State, n.Paused, c.servers[0].repairs())
				}
				if byTime {
					time.Sleep(30 * time.Minute)
				} else if err := c.healer.Resume(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Second)
				if n := c.node("M1"); n.State != Healthy || n.Paused != nil || c.servers[0].repairs() == 0 {
					t.Errorf("M1 is %s, paused %v, %d attempts", n.State, n.Paused, c.servers[0].repairs())
				}
				c.end()
			})
		})
	}
}

// TestCheck: a check that is asked for sees at once what the next one would have
// seen much later.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		if _, err := c.healer.Check(t.Context(), "M9"); !errors.Is(err, ErrUnknownNode) {
			t.Errorf("a node that is none: %v", err)
		}
		began := time.Now()
		if n, err := c.healer.Check(t.Context(), "M1"); err != nil || n.State != Healthy || n.LastCheck.Before(began) {
			t.Errorf("got %+v, %v", n, err)
		}
		c.servers[0].set(simWedged, true)
		if n, err := c.healer.Check(t.Context(), "M1"); err != nil || n.State != Suspect {
			t.Errorf("a wedged node: %+v, %v", n, err)
		}
		if n, err := c.healer.Check(t.Context(), "M1"); err != nil || n.State != Draining {
			t.Errorf("a wedged node, asked again: %+v, %v", n, err)
		}
		if n, err := c.healer.Check(t.Context(), "M1"); err != nil || !n.State.UnderRepair() && n.State != Healthy {
			t.Errorf("a node under repair: %+v, %v", n, err)
		}
		c.until("M1", EventHealed, began, 5*time.Minute)
		lease := c.lease("M1")
		if n, err := c.healer.Check(t.Context(), "M1"); err != nil || n.State != Maintenance || n.LeasedBy != "jarvis-arena (tournament of other)" {
			t.Errorf("a leased node: %+v, %v", n, err)
		}
		c.release(lease)
		c.end()
		if _, err := c.healer.Check(t.Context(), "M1"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestEventsFromAPosition: each event comes once and in order, from the position
// that is asked for, also in a later run.
func TestEventsFromAPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false, false)
		c.start()
		c.healer.Tell(Event{Time: time.Now(), Type: EventDegraded, Detail: "one"})
		var seen []Event
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for e, err := range c.healer.Events(ctx, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if len(seen) > 0 && e.ID <= seen[len(seen)-1].ID {
				t.Errorf("%d after %d", e.ID, seen[len(seen)-1].ID)
			}
			seen = append(seen, e)
			if e.Text() == "one" {
				c.healer.Tell(Event{Time: time.Now(), Type: EventDegraded, Detail: "two"})
			}
			if e.Text() == "two" {
				cancel()
			}
		}
		last := seen[len(seen)-2].ID
		rest, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		count := 0
		for e := range c.healer.Events(rest, last) {
			if count++; e.Text() != "two" {
				t.Errorf("got %q", e.Text())
			}
		}
		if count != 1 {
			t.Errorf("%d events after the one before the last", count)
		}
		c.stop()
		c.start()
		if first := c.healer.Now().Events[0]; first.ID <= seen[len(seen)-1].ID {
			t.Errorf("a later run begins at %d, the one before ended at %d", first.ID, seen[len(seen)-1].ID)
		}
		// A reader that is too slow is told so.
		for e, err := range c.healer.Events(t.Context(), 0) {
			if err != nil {
				if !errors.Is(err, ErrEventsLost) {
					t.Errorf("got %v", err)
				}
				break
			}
			if e.Text() == "" {
				break
			}
			for range 3 * bufferedEvents {
				c.healer.Tell(Event{Time: time.Now(), Type: EventDegraded, Detail: "flood"})
			}
		}
		c.end()
	})
}

// TestHandler: what the API takes and refuses.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false)
		c.start()
		handler := NewHandler(c.healer)
		ask := func(method, path, body string, headers ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "http://127.0.0.1:7070"+path, strings.NewReader(body)).WithContext(t.Context())
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		const kind, json1 = "Content-Type", "application/json"
		for _, test := range []struct {
			name, method, path, body string
			headers                  []string
			want                     int
		}{
			{"pause", "POST", "/api/v1/pause", `{"node":"M1","why":"x"}`, []string{kind, json1}, 204},
			{"pause of all", "POST", "/api/v1/pause", `{}`, []string{kind, json1 + "; charset=utf-8"}, 204},
			{"pause of no node", "POST", "/api/v1/pause", `{"node":"M9"}`, []string{kind, json1}, 404},
			{"pause, misspelt", "POST", "/api/v1/pause", `{"nodes":"M1"}`, []string{kind, json1}, 400},
			{"pause, nothing", "POST", "/api/v1/pause", `null`, []string{kind, json1}, 400},
			{"pause, a list", "POST", "/api/v1/pause", `[]`, []string{kind, json1}, 400},
			{"pause, empty", "POST", "/api/v1/pause", ``, []string{kind, json1}, 400},
			{"pause, two", "POST", "/api/v1/pause", `{"node":"M1"}{"node":"M2"}`, []string{kind, json1}, 400},
			{"pause that is over", "POST", "/api/v1/pause", `{"until":"1999-12-31T00:00:00Z"}`, []string{kind, json1}, 400},
			{"pause, a novel", "POST", "/api/v1/pause", `{"why":"` + strings.Repeat("x", maxWhy+1) + `"}`, []string{kind, json1}, 400},
			{"pause, a body too large", "POST", "/api/v1/pause", `{"why":"` + strings.Repeat("x", mostBody) + `"}`, []string{kind, json1}, 400},
			{"a form", "POST", "/api/v1/pause", `{}`, []string{kind, "text/plain"}, 415},
			{"no content type", "POST", "/api/v1/pause", `{}`, nil, 415},
			{"another page", "POST", "/api/v1/pause", `{}`, []string{kind, json1, "Origin", "http://evil.example"}, 403},
			{"another port", "POST", "/api/v1/pause", `{}`, []string{kind, json1, "Origin", "http://127.0.0.1:80"}, 403},
			{"a sandboxed page", "POST", "/api/v1/pause", `{}`, []string{kind, json1, "Origin", "null"}, 403},
			{"another site", "POST", "/api/v1/pause", `{}`, []string{kind, json1, "Sec-Fetch-Site", "cross-site"}, 403},
			{"its own page", "POST", "/api/v1/resume", `{}`, []string{kind, json1, "Origin", "http://127.0.0.1:7070", "Sec-Fetch-Site", "same-origin"}, 204},
			{"a link", "GET", "/api/v1/pause", "", nil, 405},
			{"check", "POST", "/api/v1/nodes/M1/check", "", []string{kind, json1}, 200},
			{"check of no node", "POST", "/api/v1/nodes/M9/check", "", []string{kind, json1}, 404},
			{"status", "GET", "/api/v1/status", "", nil, 200},
			{"health", "GET", "/healthz", "", nil, 200},
			{"events after a word", "GET", "/api/v1/events?after=x", "", nil, 400},
		} {
			if w := ask(test.method, test.path, test.body, test.headers...); w.Code != test.want {
				t.Errorf("%s: HTTP %d, want %d: %s", test.name, w.Code, test.want, w.Body)
			}
		}
		c.end()
		if w := ask("POST", "/api/v1/nodes/M1/check", "", kind, json1); w.Code != 503 {
			t.Errorf("check after the end: HTTP %d", w.Code)
		}
		time.Sleep(aliveLimit + time.Second)
		if w := ask("GET", "/healthz", ""); w.Code != 503 {
			t.Errorf("health after the end: HTTP %d", w.Code)
		}
	})
}

// TestEventStream: the stream numbers its events, begins after a given one, and
// sends a sign of life.
func TestEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimCluster(t, false)
		c.start()
		list := c.healer.Now().Events
		first, last := list[0], list[len(list)-1]
		read := func(header, query string) string {
			ctx, cancel := context.WithTimeout(t.Context(), keepAlive+time.Second)
			defer cancel()
			r := httptest.NewRequest(http.MethodGet, "/api/v1/events"+query, nil).WithContext(ctx)
			if header != "" {
				r.Header.Set("Last-Event-ID", header)
			}
			w := httptest.NewRecorder()
			NewHandler(c.healer).ServeHTTP(w, r)
			body, _ := io.ReadAll(w.Body)
			return string(body)
		}
		number := func(e Event) string {
			text, _ := json.Marshal(e.ID)
			return string(text)
		}
		if got := read("", ""); !strings.HasPrefix(got, "id: "+number(first)+"\nevent: "+string(first.Type)+"\ndata: {") || !strings.Contains(got, ": alive\n\n") {
			t.Errorf("from the start:\n%s", got)
		}
		for _, got := range []string{read(number(last), ""), read("", "?after="+number(last))} {
			if strings.Contains(got, "id: ") {
				t.Errorf("after the last:\n%s", got)
			}
		}
		if got := read(number(first), "?after="+number(last)); strings.Count(got, "id: ") != len(list)-1 {
			t.Errorf("after the first:\n%s", got)
		}
		c.end()
	})
}
