package chat

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// event returns the name and the data of a server-sent event, as the WHATWG
// specifies them. Most events are a single line of data, which is not copied.
func event(frame []byte) (name, data []byte) {
	for first := true; len(frame) > 0; {
		line := frame
		if n := bytes.IndexByte(frame, '\n'); n >= 0 {
			line, frame = frame[:n], frame[n+1:]
		} else {
			frame = nil
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = value
		case "data":
			if first {
				data, first = value, false
			} else {
				data = append(append(data[:len(data):len(data)], '\n'), value...)
			}
		}
	}
	return name, data
}

// appendEvent appends an event of one line of data.
func appendEvent(to []byte, name string, data []byte) []byte {
	if name != "" {
		to = append(append(append(to, "event: "...), name...), '\n')
	}
	return append(append(append(to, "data: "...), data...), "\n\n"...)
}

// failure reads the error of any server: a text, or an object with a message
// and perhaps a code or a type that says which status is meant.
func failure(raw []byte) (r Refused) {
	if text, ok := scan.String(raw); ok {
		return Refused{Text: orNameless(text)}
	}
	var kind string
	err := scan.Object(raw, func(key, value []byte) bool {
		switch string(key) {
		case "message":
			r.Text, _ = scan.String(value)
		case "code":
			code := value
			if text, ok := scan.String(value); ok {
				code = []byte(text)
			}
			if n, ok := integer(code); ok && n >= 400 && n < 600 {
				r.Code = n
			}
		case "type":
			kind, _ = scan.String(value)
		}
		return true
	})
	if err != nil || r.Text == "" {
		r.Text = orNameless(strings.ToValidUTF8(string(raw), "\uFFFD"))
	}
	if r.Code == 0 {
		r.Code = statuses[kind]
	}
	return r
}

func orNameless(text string) string {
	if text == "" {
		return "the server failed without a word"
	}
	return text
}

// statuses are what the types of errors mean that the servers name in common.
var statuses = map[string]int{
	"invalid_request_error":     http.StatusBadRequest,
	"exceed_context_size_error": http.StatusBadRequest,
	"authentication_error":      http.StatusUnauthorized,
	"permission_error":          http.StatusForbidden,
	"not_found_error":           http.StatusNotFound,
	"model_not_found":           http.StatusNotFound,
	"request_too_large":         http.StatusRequestEntityTooLarge,
	"rate_limit_error":          http.StatusTooManyRequests,
	"api_error":                 http.StatusInternalServerError,
	"server_error":              http.StatusInternalServerError,
	"internal_error":            http.StatusInternalServerError,
	"model_load_failed":         http.StatusInternalServerError,
	"not_supported_error":       http.StatusNotImplemented,
	"unavailable_error":         http.StatusServiceUnavailable,
	"overloaded_error":          529, // Anthropic's own
}

// errForeign is wrapped by the error of a frame or a reply that is none of the
// protocol.
var errForeign = errors.New("no answer of this protocol")

// foreign says what came, bounded.
func foreign(body []byte, err error) error {
	const most = 120
	shown := body
	if len(shown) > most {
		shown = shown[:most]
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", errForeign, shown, err)
	}
	return fmt.Errorf("%w: %q", errForeign, shown)
}

// orNew makes an ID that nobody else has, where a server gave none but the
// client's protocol needs one.
func orNew(id, prefix string) string {
	if id != "" {
		return id
	}
	return prefix + strings.ToLower(rand.Text())
}

// or returns the second where there is no first.
func or[T comparable](first, second T) T {
	var none T
	if first == none {
		return second
	}
	return first
}

// orNow is a time of creation for a server that told none.
func orNow(created int64) int64 {
	if created == 0 {
		return time.Now().Unix()
	}
	return created
}
