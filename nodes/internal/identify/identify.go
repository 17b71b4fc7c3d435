// Package identify asks an unknown server what an engine needs to recognize
// its own kind.
package identify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// requestLimit bounds one request.
const requestLimit = 2 * time.Second

// Action names the identification in errors.
const Action = "detect"

// Match is a server that an engine recognized.
type Match struct {
	// Version is for people: the server's own, with the product's name where
	// that is not the engine's. Empty where the server tells none.
	Version string
	// Locked reports whether the server asks for a key.
	Locked bool
}

// Answer is what a path of the server answered. The zero value is no answer.
type Answer struct {
	Status int
	Body   []byte
}

// Object returns the body of a success as a JSON object, nil for every other
// answer.
func (a Answer) Object() map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &fields) != nil {
		return nil
	}
	return fields
}

// Server is an unknown server. Each path is asked for once, without a key. Use
// it from one goroutine.
type Server struct {
	wire    *wire.Client
	answers map[string]Answer
	locked  bool  // some answer asked for a key
	failed  error // the server gives no answers
	broken  error // some answers broke off
}

// New returns a server that the client reaches.
func New(client *wire.Client) *Server {
	return &Server{wire: client, answers: map[string]Answer{}}
}

// Err returns the error of a server that gives no answers, such as one that
// refuses connections or hangs. After it, every answer is the zero value.
func (s *Server) Err() error { return s.failed }

// Locked reports whether some answer so far asked for a key.
func (s *Server) Locked() bool { return s.locked }

// Unrecognized returns the error of a server that no engine recognized.
func (s *Server) Unrecognized() error {
	switch {
	case s.locked:
		return s.wire.Fail(Action, nodes.Unauthorized, "the server asks for a key, and its answers don't tell its engine")
	case s.broken != nil:
		return s.broken
	}
	return s.wire.Fail(Action, nodes.WrongEngine, "the answers are those of no engine that is known here")
}

// Get returns the answer to a GET of path. It blocks for at most 2 s.
func (s *Server) Get(ctx context.Context, path string) Answer {
	if a, ok := s.answers[path]; ok || s.failed != nil {
		return a
	}
	a, err := s.get(ctx, path)
	switch nodes.FaultOf(err) {
	case nodes.CutOff, nodes.Protocol:
		// Some servers break off the answer to a path that they don't know.
		s.broken = errors.Join(s.broken, err)
	default:
		s.failed = err
	}
	s.locked = s.locked || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
	s.answers[path] = a
	return a
}

func (s *Server) get(ctx context.Context, path string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	req, err := s.wire.Request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Answer{}, err
	}
	resp, err := s.wire.HTTP().Do(req)
	if err != nil {
		return Answer{}, s.wire.Transport(ctx, Action, err)
	}
	defer resp.Body.Close()
	// What identifies an engine is short; a list of models may be cut.
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxBody))
	if err != nil {
		return Answer{}, s.wire.Transport(ctx, Action, err)
	}
	return Answer{resp.StatusCode, body}, nil
}

// Object returns the answer to a GET of path as [Answer.Object] does.
func (s *Server) Object(ctx context.Context, path string) map[string]json.RawMessage {
	return s.Get(ctx, path).Object()
}

// Text returns a field that is a string, "" for every other field.
func Text(field json.RawMessage) string {
	var s string
	if json.Unmarshal(field, &s) != nil {
		return ""
	}
	return s
}

// IsList reports whether a field is a list.
func IsList(field json.RawMessage) bool {
	var list []json.RawMessage
	return field != nil && json.Unmarshal(field, &list) == nil && list != nil
}

// Product returns the version of a server whose product has a name other than
// its engine's.
func Product(name, version string) string { return strings.TrimSpace(name + " " + version) }
