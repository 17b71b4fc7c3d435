package nodes

import (
	"fmt"
	"log/slog"
)

const hidden = "***"

// Secret is a key or a token. It prints, formats, logs and marshals as "***"
// whatever the verb, so that it can't reach a log by accident. The zero value is
// no key. It is safe for concurrent use.
type Secret struct{ value string }

// NewSecret returns value as a secret.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the key itself. Call it only where the key goes on the wire.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether the secret holds no key.
func (s Secret) Empty() bool { return s.value == "" }

// String returns "***", or "" for an empty secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return hidden
}

// Format writes "***" for every verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, s.String()) }

// MarshalText returns what String does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String does, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
