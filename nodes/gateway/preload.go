package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/turbone/jarvis/nodes/gateway/internal/scan"
	"github.com/turbone/jarvis/nodes/route"
)

// preload answers a request of Ollama's APIs without a prompt, by which a client
// loads a model before it asks, or unloads it: that a node serves it, whatever
// its engine. What is loaded is the healer's to say, not a client's.
func (c *exchange) preload(ctx context.Context, out *response) error {
	c.replan()
	slot, err := c.acquire(ctx, false)
	var refused *route.Refusal
	switch {
	case errors.As(err, &refused):
		return out.refuse(c.refusal(refused))
	case err != nil:
		return out.refuse(err)
	}
	place := slot.Place()
	slot.Done()
	u := c.forwarder.upstreams[place]
	answer := map[string]any{"model": c.model, "created_at": time.Now().UTC().Format(time.RFC3339Nano), "done": true, "done_reason": "load"}
	if c.unloads {
		answer["done_reason"] = "unload"
	}
	if c.Preloads == "messages" {
		answer["message"] = map[string]string{"role": "assistant", "content": ""}
	} else {
		answer["response"] = ""
	}
	sent := jsonResponse(answer)
	out.status, out.header, out.body = sent.status, sent.header, sent.body
	out.header[HeaderNode] = []string{u.node.Name}
	out.header[HeaderModel] = []string{u.servedName(c.plan.Models[place])}
	return nil
}

// isBlank reports whether the value of a prompt, or of messages, is empty.
func isBlank(value []byte) bool {
	if value[0] == '[' {
		return len(bytes.TrimSpace(value[1:len(value)-1])) == 0
	}
	return string(value) == "null" || string(value) == `""`
}

// isZeroTime reports whether the value of keep_alive, a number of seconds or a
// text, is no time at all.
func isZeroTime(value []byte) bool {
	if string(value) == "0" {
		return true
	}
	text, ok := scan.String(value)
	d, err := time.ParseDuration(text)
	return ok && (err == nil && d == 0 || text == "0")
}

// dataURL begins an image that is given by a data URL.
var dataURL = []byte(`"data:image/`)

// withPlainImages returns a body of Ollama's APIs whose images are what the engine
// takes: base64 without the head of a data URL, which many clients send.
func withPlainImages(body []byte) []byte {
	if !bytes.Contains(body, dataURL) {
		return body
	}
	var out []byte
	from := 0
	images := func(value []byte) {
		_ = scan.Array(value, func(image []byte) bool {
			head := bytes.Index(image, []byte(";base64,"))
			if bytes.HasPrefix(image, dataURL) && head > 0 {
				at := from + bytes.Index(body[from:], image) + 1 // a quote inside a text is escaped
				out = append(out, body[from:at]...)
				from = at + head + len(";base64,") - 1
			}
			return true
		})
	}
	_ = scan.Object(body, func(key, value []byte) bool {
		switch string(key) {
		case "images":
			images(value)
		case "messages":
			_ = scan.Array(value, func(message []byte) bool {
				_ = scan.Object(message, func(key, value []byte) bool {
					if string(key) == "images" {
						images(value)
					}
					return true
				})
				return true
			})
		}
		return true
	})
	return append(out, body[from:]...)
}

// canonical returns the path of a request as the APIs have it, without a slash at
// its end and without doubled ones: base URLs of clients often have one too many.
func canonical(path string) string {
	if n := len(path); n < 2 || path[n-1] != '/' && !strings.Contains(path, "//") {
		return path
	}
	clean := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || len(clean) == 0 || clean[len(clean)-1] != '/' {
			clean = append(clean, path[i])
		}
	}
	if n := len(clean); n > 1 && clean[n-1] == '/' {
		clean = clean[:n-1]
	}
	return string(clean)
}

// withPath returns a request with another path.
func withPath(r *http.Request, path string) *http.Request {
	if path == r.URL.Path {
		return r
	}
	copied, to := *r, *r.URL
	to.Path, to.RawPath = path, ""
	copied.URL = &to
	return &copied
}
