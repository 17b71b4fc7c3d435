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
type keyring struct {
	limiters []*keyLimiter
}

// lock is one key with what its holder has under way.
type keyLimiter struct {
	key    Key
	digest [sha256.Size]byte

	mu          sync.Mutex
	inFlight    int
	windowStart time.Time // since when begun counts
	inWindow    int
}

func newKeyring(keys []Key) *keyring {
	a := &keyring{}
	for _, k := range keys {
		a.limiters = append(a.limiters, &keyLimiter{key: k, digest: sha256.Sum256([]byte(k.Secret.Reveal()))})
	}
	return a
}

// find returns the lock that a request's key opens, nil where none does. How
// long it takes tells nothing: all keys are compared, by sums of one length.
func (a *keyring) find(h http.Header) *keyLimiter {
	sum := sha256.Sum256([]byte(presentedKey(h)))
	var found *keyLimiter
	for _, l := range a.limiters {
		if subtle.ConstantTimeCompare(sum[:], l.digest[:]) == 1 {
			found = l
		}
	}
	return found
}

// presented is the key that a client sent: OpenAI's and Ollama's clients send
// a bearer token, Anthropic's their own header.
func presentedKey(h http.Header) string {
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
func (l *keyLimiter) acquire(now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.windowStart) >= time.Minute {
		l.windowStart, l.inWindow = now, 0
	}
	switch {
	case l.key.AtOnce > 0 && l.inFlight >= l.key.AtOnce:
		return time.Second, false
	case l.key.PerMinute > 0 && l.inWindow >= l.key.PerMinute:
		return time.Minute - now.Sub(l.windowStart), false
	}
	l.inFlight++
	l.inWindow++
	return 0, true
}

func (l *keyLimiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
}
