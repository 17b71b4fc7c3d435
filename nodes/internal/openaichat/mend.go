package openaichat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// mender is the HTTP client below go-openai for one request. It sends the fields
// of [Client.request] and the key to the server. It passes successful answers of
// the protocol's shape to the library. Every other answer becomes an error with
// its fault here, where the server's text is available.
type mender struct {
	wire   *wire.Client
	fields map[string]any
	query  string
	stream bool
	limit  int64
	done   bool // the stream's [DONE] came
}

// Do implements the library's HTTPDoer.
func (m *mender) Do(req *http.Request) (*http.Response, error) {
	sent, err := m.wire.Request(req.Context(), req.Method, "", m.fields)
	if err != nil {
		return nil, err
	}
	sent.URL = req.URL
	sent.URL.RawQuery = m.query
	sent.Header.Set("Accept", req.Header.Get("Accept"))
	resp, err := m.wire.Do(sent, action)
	if err != nil {
		return nil, err
	}
	body := bufio.NewReader(resp.Body)
	// The first byte decides, because content types are unreliable. The reader
	// handles an empty body.
	start, err := body.Peek(1)
	switch {
	case err != nil && err != io.EOF:
		_ = resp.Body.Close()
		return nil, m.wire.Transport(req.Context(), action, err)
	case m.stream && !bytes.Equal(start, []byte("{")):
		resp.Body = &frames{
			mender: m, header: resp.Header, body: resp.Body,
			lines: m.wire.Lines(req.Context(), action, body, maxLine, m.limit),
		}
		return resp, nil
	}
	defer resp.Body.Close()
	answer, err := m.object(sent, resp.Header, body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, nil
}

// maxObject is the greatest size of an answer that is not streamed, in bytes. A
// stream may be larger, since each token has some hundred bytes around it.
const maxObject = 8 << 20

// object reads an answer that is one JSON object. If a stream was requested, it
// converts the answer to one, since some servers never stream.
func (m *mender) object(req *http.Request, header http.Header, r io.Reader) ([]byte, error) {
	limit := min(m.limit, maxObject)
	body, err := m.wire.ReadAll(req.Context(), action, r, limit)
	switch {
	case err != nil:
		return nil, err
	case wire.ErrorText(body) != "":
		return nil, m.failed(header, body)
	}
	var shape struct {
		Choices *[]json.RawMessage `json:"choices"`
	}
	if err := json.Unmarshal(body, &shape); err != nil {
		return nil, m.wire.Fail(action, nodes.Protocol, fmt.Sprintf("%v in %s", err, wire.Brief(string(body))))
	}
	if shape.Choices == nil {
		return nil, m.wire.Fail(action, nodes.Protocol, "no choices in "+string(body))
	}
	body = mapReasoning(body)
	if !m.stream {
		return body, nil
	}
	m.done = true
	return append(append([]byte("data: "), renameMessage(body)...), "\ndata: [DONE]\n"...), nil
}

// failed returns the error that a server reports inside a successful answer.
func (m *mender) failed(header http.Header, body []byte) error {
	status := errorStatus(body)
	e := m.wire.Status(action, status, header, body)
	if words, ok := strings.CutPrefix(e.Detail, fmt.Sprintf("HTTP %d ", status)); ok {
		e.Detail = "in a successful answer: " + words // the server did not send that status
	}
	return e
}

// errorStatus returns the status that fits an error inside a success: its code if
// that is a status, else the one of its type, else 500.
func errorStatus(body []byte) int {
	e := parseError(body)
	if e.code >= 400 && e.code < 600 {
		return e.code
	}
	switch e.kind {
	case "authentication_error":
		return http.StatusUnauthorized
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "unavailable_error", "overloaded_error":
		return http.StatusServiceUnavailable
	case "invalid_request_error", "invalid_request", "exceed_context_size_error", "BadRequestError":
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// mapReasoning renames thinking to the one name that the library reads.
func mapReasoning(body []byte) []byte {
	if !bytes.Contains(body, []byte(`"reasoning"`)) {
		return body
	}
	return editChoices(body, func(choice map[string]json.RawMessage) bool {
		changed := false
		for _, at := range []string{"delta", "message"} {
			var part map[string]json.RawMessage
			if json.Unmarshal(choice[at], &part) != nil || part == nil {
				continue
			}
			var text, already string
			_ = json.Unmarshal(part["reasoning"], &text) // an object is not thinking
			_ = json.Unmarshal(part["reasoning_content"], &already)
			if text == "" || already != "" {
				continue
			}
			part["reasoning_content"] = part["reasoning"]
			choice[at] = encode(part)
			changed = true
		}
		return changed
	})
}

// renameMessage converts a whole answer to the single piece of a stream.
func renameMessage(body []byte) []byte {
	return editChoices(body, func(choice map[string]json.RawMessage) bool {
		choice["delta"] = choice["message"]
		delete(choice, "message")
		return true
	})
}

// editChoices calls edit for each choice, and encodes the body again if one
// changed. A body of another shape stays as it is, for the library to refuse.
func editChoices(body []byte, edit func(map[string]json.RawMessage) bool) []byte {
	var all map[string]json.RawMessage
	var choices []map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil || json.Unmarshal(all["choices"], &choices) != nil {
		return oneLine(body)
	}
	changed := false
	for _, choice := range choices {
		if choice != nil && edit(choice) {
			changed = true
		}
	}
	if !changed {
		return oneLine(body)
	}
	all["choices"] = encode(choices)
	return encode(all)
}

// encode is json.Marshal of values that were decoded a moment ago.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

func oneLine(body []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return bytes.ReplaceAll(body, []byte("\n"), []byte(" "))
	}
	return b.Bytes()
}
