package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"
)

// access lets clients in by their keys.
type access struct {
	keys []*lock
}

// lock is one key with what its holder has under way.
type lock struct {
	key Key
	sum [sha256.Size]byte

	mu       sync.Mutex
	underWay int
	minute   time.Time // since when begun counts
	begun    int
}

func newAccess(keys []Key) *access {
	a := &access{}
	for _, k := range keys {
		a.keys = append(a.keys, &lock{key: k, sum: sha256.Sum256([]byte(k.Secret.Reveal()))})
	}
	return a
}

// find returns the lock that a request's key opens, nil where none does. How
// long it takes tells nothing: all keys are compared, by sums of one length.
func (a *access) find(h http.Header) *lock {
	sum := sha256.Sum256([]byte(presented(h)))
	var found *lock
	for _, l := range a.keys {
		if subtle.ConstantTimeCompare(sum[:], l.sum[:]) == 1 {
			found = l
		}
	}
	return found
}

// presented is the key that a client sent: OpenAI's and Ollama's clients send
// a bearer token, Anthropic's their own header.
func presented(h http.Header) string {
	if v := h.Get("Authorization"); len(v) > 7 && strings.EqualFold(v[:7], "Bearer ") {
		return v[7:]
	}
	if v := h.Get("X-Api-Key"); v != "" {
		return v
	}
	return h.Get("Api-Key")
}

// enter begins a request. Where the key's holder has had enough, ok is false
// and wait says when to come again.
func (l *lock) enter(now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.minute) >= time.Minute {
		l.minute, l.begun = now, 0
	}
	switch {
	case l.key.AtOnce > 0 && l.underWay >= l.key.AtOnce:
		return time.Second, false
	case l.key.PerMinute > 0 && l.begun >= l.key.PerMinute:
		return time.Minute - now.Sub(l.minute), false
	}
	l.underWay++
	l.begun++
	return 0, true
}

func (l *lock) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay--
}
