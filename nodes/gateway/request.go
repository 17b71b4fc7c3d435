package gateway

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/registry"
	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
)

// Headers between a client and the gateway. None of them is sent to a node.
const (
	// HeaderNode, HeaderModel and HeaderAttempts are headers of a response: the
	// node that served, its model, and the number of attempts.
	HeaderNode     = "X-Jarvis-Node"
	HeaderModel    = "X-Jarvis-Model"
	HeaderAttempts = "X-Jarvis-Attempts"
	// HeaderSession is a header of a request. Requests with the same session
	// are one conversation to [route.Sticky].
	HeaderSession = "X-Jarvis-Session"
	// HeaderRestart is a header of a request: "true" or "false", which
	// overrides Restart of the [Options].
	HeaderRestart = "X-Jarvis-Restart"
	// HeaderTimeout is a header of a request: the time for its whole response,
	// such as "30s".
	HeaderTimeout = "X-Jarvis-Timeout"
)

// request is a client's request with the fields that the gateway needs.
type request struct {
	*registry.API
	query  string
	header http.Header // as for the nodes, see cleanHeader
	buffer *buffer     // of the body
	body   []byte
	model  string
	// modelStart and modelEnd are the position of the model's name in the body,
	// quotes included; 0, 0 for none.
	modelStart, modelEnd int
	stream               bool
	tools                bool
	restart              bool
	structured           bool        // the answer is held to a form by a grammar
	many                 bool        // several choices are asked for
	mayBeEmpty           bool        // it has stop words, or a suffix
	preloads             bool        // it has no prompt, and loads a model
	unloads              bool        // it is to unload the model at once
	drops                bool        // what would reload the model is taken out
	dropped              string      // the fields that were
	conversation         uint64      // its hash, 0 for none
	asked                atomic.Bool // a node was asked
	// client identifies the client in the queue, keyName is the name of its key.
	client, keyName string
}

// badRequest is the error of a malformed request.
type badRequest struct {
	status int
	text   string
}

func (b badRequest) Error() string { return b.text }

// parseBody reads the fields that the gateway needs from the body. sticky asks
// for the hash of the conversation.
func (a *request) parseBody(sticky bool, seed maphash.Seed) error {
	a.stream, a.preloads = a.StreamsByDefault, a.Preloads != ""
	if a.preloads {
		if body := withPlainImages(a.body); len(body) != len(a.body) {
			a.buffer, a.body = newBuffer(body), body
		}
	}
	var dropped []string
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
			if string(value) != "null" { // which is the default
				a.stream = string(value) == "true"
			}
		case "response_format", "format", "grammar", "json_schema", "guided_json", "guided_grammar", "guided_regex", "guided_choice", "structured_outputs":
			a.structured = a.structured || isStructured(value)
		case "n":
			a.many = len(value) > 1 || value[0] > '1'
		case "stop", "suffix":
			a.mayBeEmpty = a.mayBeEmpty || len(value) > 2 && value[0] != 'n'
		case "tools":
			a.tools = len(value) > 2
		case "messages", "prompt", "input", "system":
			if sticky {
				hashPrefix(&session, value)
			}
			if a.preloads && string(key) == a.Preloads {
				a.preloads = isBlank(value)
			}
		case "keep_alive":
			a.unloads = isZeroTime(value)
			if a.drops && string(value) != "null" {
				dropped = append(dropped, "keep_alive")
			}
		case "options":
			if a.drops {
				dropped = append(dropped, reloadingOptions(value)...)
			}
		}
		return true
	})
	if err != nil {
		return badRequest{http.StatusBadRequest, fmt.Sprintf("the request is not a JSON object: %v", err)}
	}
	if len(dropped) > 0 && !a.preloads {
		body := withoutReloading(a.body)
		a.buffer, a.body, a.model, a.drops, a.dropped = newBuffer(body), body, "", false, strings.Join(dropped, ", ")
		return a.parseBody(sticky, seed)
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

// isStructured reports whether the value of a field asks for a structured answer.
func isStructured(value []byte) bool {
	switch string(value) {
	case "null", `""`, "{}", "[]":
		return false
	}
	kind := ""
	_ = scan.Object(value, func(key, value []byte) bool {
		if string(key) == "type" {
			kind, _ = scan.String(value)
		}
		return true
	})
	return kind != "text"
}

// maxPrefix is the size in bytes of the part of a prompt, or of each message,
// that identifies a conversation.
const maxPrefix = 4 << 10

// hashPrefix adds to h what all requests of a conversation begin with: the
// messages up to the first one of the user, or the start of a prompt.
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

// withModel returns the body with the model's name replaced, or added.
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

// hopByHop are the headers of a single connection (RFC 9110, section 7.6.1), and
// those that the gateway sets itself.
var hopByHop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Expect": true,
}

// private are the other headers that a node must not get: those with secrets of
// clients, those between a client and the gateway, those by which a browser tells
// whose page asks, which some servers refuse, and Accept-Encoding, because the
// gateway can't read a compressed response.
var private = map[string]bool{
	"Authorization": true, "X-Api-Key": true, "Api-Key": true, "Cookie": true,
	HeaderNode: true, HeaderModel: true, HeaderAttempts: true, HeaderSession: true, HeaderRestart: true, HeaderTimeout: true,
	"Accept-Encoding": true, "Origin": true, "Referer": true,
}

// cleanHeader removes from a request's header what a node must not get.
func cleanHeader(h http.Header) {
	deleteNamed(h, h["Connection"])
	for name := range h {
		if hopByHop[name] || private[name] || strings.HasPrefix(name, "Sec-") {
			delete(h, name)
		}
	}
}

// deleteNamed deletes the headers that the values of a header Connection name.
func deleteNamed(h http.Header, connection []string) {
	for _, list := range connection {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
}

// parseHeader reads the settings in a request's header. restart is the default
// of HeaderRestart; timeout is 0 for none.
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
