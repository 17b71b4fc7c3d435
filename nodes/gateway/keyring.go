package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"
)

// keyring is the set of API keys that a gateway accepts.
type keyring struct {
	limiters []*keyLimiter
}

// keyLimiter is one API key with its limits and what counts towards them. Safe
// for concurrent use.
type keyLimiter struct {
	key    Key
	digest [sha256.Size]byte

	mu          sync.Mutex
	inFlight    int
	windowStart time.Time // of the current minute
	inWindow    int       // requests begun in it
}

func newKeyring(keys []Key) *keyring {
	k := &keyring{}
	for _, key := range keys {
		k.limiters = append(k.limiters, &keyLimiter{key: key, digest: sha256.Sum256([]byte(key.Secret.Reveal()))})
	}
	return k
}

// find returns the limiter of a request's key, nil for an unknown key. It
// compares digests with all keys, in constant time, so that its duration says
// nothing about a key.
func (k *keyring) find(h http.Header) *keyLimiter {
	digest := sha256.Sum256([]byte(presentedKey(h)))
	var found *keyLimiter
	for _, l := range k.limiters {
		if subtle.ConstantTimeCompare(digest[:], l.digest[:]) == 1 {
			found = l
		}
	}
	return found
}

// presentedKey returns the key in a request's header. Clients of OpenAI and
// Ollama send a bearer token, those of Anthropic X-Api-Key, those of Azure
// Api-Key.
func presentedKey(h http.Header) string {
	if v := h.Get("Authorization"); len(v) > 7 && strings.EqualFold(v[:7], "Bearer ") {
		return v[7:]
	}
	if v := h.Get("X-Api-Key"); v != "" {
		return v
	}
	return h.Get("Api-Key")
}

// acquire begins a request under the key. If a limit of the key is reached, ok
// is false and wait is the time after which to try again. Call release when the
// request is over.
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
