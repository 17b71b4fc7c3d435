package gateway

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// The headers between a client and the route. None of them reaches a node.
const (
	// HeaderNode, HeaderModel and HeaderAttempts are of the answer: who served,
	// with which model, and how many nodes were asked for it.
	HeaderNode     = "X-Jarvis-Node"
	HeaderModel    = "X-Jarvis-Model"
	HeaderAttempts = "X-Jarvis-Attempts"
	// HeaderSession is of the request: requests with one session are one
	// conversation to [Sticky].
	HeaderSession = "X-Jarvis-Session"
	// HeaderRestart is of the request: "true" or "false" in place of
	// [Options]'s Restart.
	HeaderRestart = "X-Jarvis-Restart"
	// HeaderTimeout is of the request: how long its client waits for the whole
	// answer, such as "30s".
	HeaderTimeout = "X-Jarvis-Timeout"
)

// ask is a client's request, read as far as the route must know it.
type request struct {
	*registry.API
	query  string
	header http.Header // without what is between two machines only
	buffer *buffer     // that the body is in
	body   []byte
	model  string
	// modelFrom and modelTo are where the model stands in the body, quotes
	// included; 0, 0 where it doesn't.
	modelStart, modelEnd int
	stream               bool
	tools                bool
	restart              bool
	conversation         uint64 // 0 where there is none
	// client is whose turn it is in the queue, name that of its key.
	client, keyName string
}

// badRequest is a request that no node could answer.
type badRequest struct {
	status int
	text   string
}

func (b badRequest) Error() string { return b.text }

// read takes what the route must know from a body.
func (a *request) parseBody(sticky bool, seed maphash.Seed) error {
	a.stream = a.StreamsByDefault
	var session maphash.Hash
	session.SetSeed(seed)
	err := scan.Object(a.body, func(key, value []byte) bool {
		switch string(key) {
		case "model", "name":
			if s, ok := scan.String(value); (ok || string(value) == "null") && (a.model == "" || string(key) == "model") {
				a.model = s
				a.modelStart = scan.Offset(a.body, value)
				a.modelEnd = a.modelStart + len(value)
			}
		case "stream":
			a.stream = bytes.Equal(value, []byte("true"))
		case "tools":
			a.tools = len(value) > 2
		case "messages", "prompt", "input", "system":
			if sticky {
				hashPrefix(&session, value)
			}
		}
		return true
	})
	if err != nil {
		return badRequest{http.StatusBadRequest, fmt.Sprintf("the request is no JSON object: %v", err)}
	}
	if !sticky {
		return nil
	}
	if name := a.header.Get(HeaderSession); name != "" {
		session.Reset()
		_, _ = session.WriteString(a.client + "\n" + name)
	}
	a.conversation = session.Sum64()
	return nil
}

// mostBegin is how much of a prompt tells a conversation from another.
const maxPrefix = 4 << 10

// begin adds what all turns of one conversation begin with: the messages up to
// the first of the user, or the start of a prompt.
func hashPrefix(h *maphash.Hash, value []byte) {
	if len(value) == 0 || value[0] != '[' {
		_, _ = h.Write(value[:min(len(value), maxPrefix)])
		return
	}
	_ = scan.Array(value, func(message []byte) bool {
		_, _ = h.Write(message[:min(len(message), maxPrefix)])
		user := false
		_ = scan.Object(message, func(key, value []byte) bool {
			user = user || string(key) == "role" && string(value) == `"user"`
			return true
		})
		return !user
	})
}

// with returns the body with another model's name in it.
func (a *request) withModel(model string) *buffer {
	if model == a.model {
		return a.buffer
	}
	quoted := scan.AppendString(nil, model)
	if a.modelEnd == 0 {
		at := bytes.IndexByte(a.body, '{') + 1
		out := make([]byte, 0, len(a.body)+len(quoted)+len(`"model":,`))
		out = append(append(append(out, a.body[:at]...), `"model":`...), quoted...)
		if rest := bytes.TrimLeft(a.body[at:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
			out = append(out, ',')
		}
		return newBuffer(append(out, a.body[at:]...))
	}
	out := make([]byte, 0, len(a.body)+len(quoted))
	out = append(append(out, a.body[:a.modelStart]...), quoted...)
	return newBuffer(append(out, a.body[a.modelEnd:]...))
}

// translate returns the request in another API, after edit has changed it. The
// error is an [protocol.UnsupportedError] if that can't be done.
func (a *request) translate(to protocol.Codec, edit func(*protocol.Request)) ([]byte, error) {
	client, readable := a.Codec.(protocol.ClientCodec)
	server, writable := to.(protocol.ServerCodec)
	if !readable || !writable {
		return nil, protocol.UnsupportedError{Feature: "a request to " + a.Path}
	}
	r, err := client.ReadRequest(a.body)
	if err != nil {
		return nil, err
	}
	edit(&r)
	return server.WriteRequest(r)
}

// hopByHop are the headers that are between two machines only (RFC 9110,
// section 7.6.1), and those that are the route's.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Content-Length", "Expect",
}

// secrets are the headers in which clients send their keys.
var keyHeaders = []string{"Authorization", "X-Api-Key", "Api-Key", "Cookie"}

// own are the route's headers.
var ownHeaders = []string{HeaderNode, HeaderModel, HeaderAttempts, HeaderSession, HeaderRestart, HeaderTimeout}

// clean takes out of a request's header what is none of the node's business:
// what is between two machines only, keys, what is the route's own, and what
// would make the answer unreadable on the way.
func cleanHeader(h http.Header) {
	for _, name := range h["Connection"] {
		for part := range bytes.SplitSeq([]byte(name), []byte(",")) {
			h.Del(string(bytes.TrimSpace(part)))
		}
	}
	for _, list := range [][]string{hopByHop, keyHeaders, ownHeaders} {
		for _, name := range list {
			delete(h, name)
		}
	}
	delete(h, "Accept-Encoding")
}

// settings are what a request's header asks of the route.
func (a *request) parseHeader(h http.Header, restart bool) (timeout time.Duration, err error) {
	a.restart = restart
	if v := h.Get(HeaderRestart); v != "" {
		if a.restart, err = strconv.ParseBool(v); err != nil {
			return 0, badRequest{http.StatusBadRequest, HeaderRestart + ": want true or false"}
		}
	}
	if v := h.Get(HeaderTimeout); v != "" {
		if timeout, err = time.ParseDuration(v); err != nil || timeout <= 0 {
			return 0, badRequest{http.StatusBadRequest, HeaderTimeout + ": want a duration such as 30s"}
		}
	}
	return timeout, nil
}
