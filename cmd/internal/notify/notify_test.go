package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/alert"
	"github.com/turbone/jarvis/nodes"
)

const token = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"

// playsTelegram answers as the Bot API does. Its reply is written by answer; nil
// delivers.
func playsTelegram(t *testing.T, answer http.HandlerFunc) (url string, got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var list []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct {
			Chat   string `json:"chat_id"`
			Text   string `json:"text"`
			Thread int    `json:"message_thread_id"`
			Silent bool   `json:"disable_notification"`
		}
		if err := json.Unmarshal(body, &m); err != nil || r.Method != http.MethodPost || r.URL.Path != "/bot"+token+"/sendMessage" {
			t.Errorf("asked %s %s %s", r.Method, r.URL, body)
		}
		mu.Lock()
		list = append(list, fmt.Sprintf("%s %d %v: %s", m.Chat, m.Thread, m.Silent, m.Text))
		mu.Unlock()
		if answer != nil {
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			answer(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1}}`)
	}))
	t.Cleanup(s.Close)
	return "telegram://" + token + "@" + strings.TrimPrefix(s.URL, "http://"), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), list...)
	}
}

func services(t *testing.T, urls ...string) []alert.Service {
	t.Helper()
	return opened(t, urls...).Services
}

func opened(t *testing.T, urls ...string) *Notifier {
	t.Helper()
	var list []config.Alert
	for _, u := range urls {
		list = append(list, config.Alert{URL: nodes.NewSecret(u), Where: "jarvis.yaml:1:1"})
	}
	n, err := Open(list, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTelegram: each chat is a service of its own, with the address's options.
func TestTelegram(t *testing.T) {
	url, got := playsTelegram(t, nil)
	list := services(t, url+"?chats=@ops,-100:7&notification=no")
	if len(list) != 2 || list[0].Sender.Name() != "telegram" || list[1].Sender.Name() != "telegram 2" {
		t.Fatalf("want two services, got %v", list)
	}
	for _, s := range list {
		if err := s.Sender.Send(t.Context(), "M1: offline"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"@ops 0 true: M1: offline", "-100 7 true: M1: offline"}, got()); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}

// TestTelegramFailures: every way of failing is an error that says how to go
// on, and never holds the token, even where the server repeats it.
func TestTelegramFailures(t *testing.T) {
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		after  time.Duration
		final  bool
	}{
		{"429", say(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`), "429 Too Many Requests: retry after 35", 35 * time.Second, false},
		{"401", say(401, `{"ok":false,"error_code":401,"description":"Unauthorized: `+token+`"}`), "401 Unauthorized: ***", 0, true},
		{"403", say(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`), "403 Forbidden: bot was blocked by the user", 0, true},
		{"500", say(500, `{"ok":false,"error_code":500,"description":"Internal Server Error"}`), "500 Internal Server Error", 0, false},
		{"502 of a proxy", say(502, `<html>bad gateway /bot`+token+`</html>`), "HTTP 502, and the answer is not Telegram's", 0, false},
		{"200 of a sign-in page", say(200, `<html>sign in</html>`), "HTTP 200, and the answer is not Telegram's", 0, false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bot"+token, http.StatusFound) }, "HTTP 302, and the answer is not Telegram's", 0, false},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"ok":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, _ := playsTelegram(t, c.answer)
			err := services(t, url+"?chats=1")[0].Sender.Send(t.Context(), "M1: offline")
			if err == nil || err.Error() != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			var e *alert.SendError
			if !errors.As(err, &e) {
				e = &alert.SendError{}
			}
			if e.RetryAfter != c.after || e.Permanent != c.final {
				t.Errorf("retry after %s, permanent %v; want %s, %v", e.RetryAfter, e.Permanent, c.after, c.final)
			}
		})
	}
}

// TestTelegramRefused: nobody listens. (The library reports that as sent.)
func TestTelegramRefused(t *testing.T) {
	err := services(t, "telegram://"+token+"@127.0.0.1:1?chats=1")[0].Sender.Send(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "AAH") {
		t.Errorf("got %v", err)
	}
}

// TestTelegramHangs: the context's end is the delivery's.
func TestTelegramHangs(t *testing.T) {
	url, got := playsTelegram(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := services(t, url+"?chats=1")[0].Sender.Send(ctx, "x"); err == nil {
		t.Error("delivered")
	}
	if len(got()) != 1 {
		t.Errorf("asked %d times", len(got()))
	}
}

// TestTelegramMigrated: a group that became a supergroup is found again.
func TestTelegramMigrated(t *testing.T) {
	url, got := playsTelegram(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"-5"`) {
			_, _ = io.WriteString(w, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded","parameters":{"migrate_to_chat_id":-1005}}`)
			return
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	s := services(t, url+"?chats=-5")[0].Sender
	for range 2 {
		if err := s.Send(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"-5 0 false: x", "-1005 0 false: x", "-1005 0 false: x"}, got()); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}

// TestLibrary: a service of the library is told, its failures come back without
// the secrets of its address, and a hanging one doesn't hold the caller.
func TestLibrary(t *testing.T) {
	const secret = "sk-very-secret"
	answer := make(chan http.HandlerFunc, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "M1: offline" {
			t.Errorf("got %q", body)
		}
		(<-answer)(w, r)
	}))
	defer s.Close()
	n := opened(t, "generic+http://"+strings.TrimPrefix(s.URL, "http://")+"/hook/"+secret+"?disabletls=yes")
	one := n.Services[0].Sender

	answer <- func(http.ResponseWriter, *http.Request) {}
	if err := one.Send(t.Context(), "M1: offline"); err != nil {
		t.Errorf("delivering: %v", err)
	}
	answer <- func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), 500) }
	if err := one.Send(t.Context(), "M1: offline"); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a 500: %v", err)
	}
	release := make(chan struct{})
	answer <- func(http.ResponseWriter, *http.Request) { <-release }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := one.Send(ctx, "M1: offline"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hang: %v", err)
	}
	if err := one.Send(t.Context(), "M1: offline"); err == nil || !strings.Contains(err.Error(), "still hangs") {
		t.Errorf("beside a hang: %v", err)
	}
	if err := n.Close(ctx); err == nil || !strings.Contains(err.Error(), "generic") {
		t.Errorf("closed with a delivery under way: %v", err)
	}
	close(release)
	if err := n.Close(t.Context()); err != nil {
		t.Errorf("closed after it: %v", err)
	}
	if err := one.Send(t.Context(), "M1: offline"); err == nil {
		t.Error("delivered after the end")
	}
}

// TestAddresses: what is wrong with an address is said with its place in the
// file, and without its secrets.
func TestAddresses(t *testing.T) {
	for _, c := range []struct{ name, url, want string }{
		{"no chat", "telegram://" + token + "@telegram", "telegram: no chat is named: ?chats=ID or ?chats=@CHANNEL; it looks like telegram://TOKEN@telegram?chats=ID"},
		{"no token", "telegram://sk-secret@telegram?chats=1", "telegram: the bot's token is not of the form 123456:ABC-def; it looks like telegram://TOKEN@telegram?chats=ID"},
		{"unknown option", "telegram://" + token + "@telegram?chats=1&sk-secret=AAHdqTcv", "telegram: "},
		{"unknown kind", "telegramm://" + token + "@telegram?chats=1", "no service of that kind; it begins with one of bark, discord, "},
		{"no URL", "::" + token, "no URL; "},
		{"broken service", "slack://sk-secret-token", "slack: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open([]config.Alert{{URL: nodes.NewSecret(c.url), Where: "jarvis.yaml:7:9"}}, nil)
			if err == nil || !strings.HasPrefix(err.Error(), "jarvis.yaml:7:9: alerts[0].url: "+c.want) {
				t.Fatalf("got %v, want …%s", err, c.want)
			}
			if strings.Contains(err.Error(), "AAHdq") || strings.Contains(err.Error(), "sk-") || strings.Contains(err.Error(), "110201543") {
				t.Errorf("a secret is printed: %v", err)
			}
		})
	}
}

// TestWithAlerter: an incident on its way from the healer to the chat, past a
// 429, without anybody waiting.
func TestWithAlerter(t *testing.T) {
	var once sync.Once
	delivered := make(chan struct{})
	url, got := playsTelegram(t, func(w http.ResponseWriter, _ *http.Request) {
		first := false
		once.Do(func() { first = true })
		if first {
			w.WriteHeader(429)
			_, _ = io.WriteString(w, `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}`)
			return
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
		close(delivered)
	})
	a := alert.New(services(t, url+"?chats=1"), alert.Options{RetryInitial: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.Run(ctx) }()
	a.Emit(healer.Event{Time: time.Now(), Node: "M1", Type: healer.EventOffline, Detail: "offline: refused"})
	<-delivered
	cancel()
	<-ended
	if diff := cmp.Diff([]string{"1 0 false: M1: offline: refused", "1 0 false: M1: offline: refused"}, got()); diff != "" {
		t.Errorf("want(-) got(+):\n%s", diff)
	}
}
