package notify

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// scrubber removes every part of an address from a text.
type scrubber struct{ parts []string }

// harmless are parts of addresses that are no secrets and that errors need.
var harmless = []string{
	"telegram", "telegram.org", "api.telegram.org", "generic", "true", "false", "localhost", "127.0.0.1", "http", "https",
	"yes", "chats", "channels", "channel", "title", "token", "topic", "none",
}

func newScrubber(address nodes.Secret) scrubber {
	raw := address.Reveal()
	parts := []string{raw}
	// Cut at everything that parts an address, so that a token is found
	// wherever the library puts it: telegram://ID:TOKEN becomes /botID:TOKEN.
	parts = append(parts, strings.FieldsFunc(raw, func(r rune) bool { return strings.ContainsRune(":/@?&=,;#+ ", r) })...)
	if u, err := url.Parse(raw); err == nil {
		parts = append(parts, u.Host, u.Path, u.User.String())
		if p, ok := u.User.Password(); ok {
			parts = append(parts, p)
		}
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
	}
	for _, p := range slices.Clone(parts) {
		if plain, err := url.QueryUnescape(p); err == nil {
			parts = append(parts, plain)
		}
		parts = append(parts, url.QueryEscape(p), url.PathEscape(p))
	}
	parts = slices.DeleteFunc(parts, func(p string) bool {
		_, number := strconv.Atoi(p)
		return len(p) < 4 || number == nil && len(p) < 6 || slices.Contains(harmless, strings.ToLower(p))
	})
	slices.SortFunc(parts, func(a, b string) int { // the longer ones first: they hold the shorter ones
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return scrubber{slices.Compact(parts)}
}

// scrub returns text in one line, bounded, and without the address.
func (s scrubber) scrub(text string) string {
	for _, p := range s.parts {
		text = strings.ReplaceAll(text, p, "***")
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

var waitWish = regexp.MustCompile(`(?i)retry.after["':= ]*([0-9]+)`)

// retryAfter finds the pause that a service asks for in the text of its error:
// the library passes on neither headers nor fields.
func retryAfter(text string) time.Duration {
	if m := waitWish.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n < 1<<20 {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}
