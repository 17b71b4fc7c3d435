package protocol

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Text returns the texts of a message, joined by line breaks, as servers do
// where an API has a single text.
func (m Message) Text() string {
	var texts []string
	for _, p := range m.Parts {
		if p.Image == nil {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Images returns the parts of a message that are images.
func (m Message) Images() (images []Part) {
	for _, p := range m.Parts {
		if p.Image != nil {
			images = append(images, p)
		}
	}
	return images
}

// ToolText returns the text of a tool's message for APIs that have no other way
// to say that the tool failed.
func (m Message) ToolText() string {
	text := m.Text()
	if m.ToolFailed && !strings.HasPrefix(strings.ToLower(text), "error") {
		return "Error: " + text
	}
	return text
}

// Schema returns the schema of the tool's parameters. Some servers require one
// for a tool without parameters.
func (t Tool) Schema() json.RawMessage {
	if t.Parameters == nil {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}

// TextParts returns text as the parts of a message; none if it is empty.
func TextParts(text string) []Part {
	if text == "" {
		return nil
	}
	return []Part{{Text: text}}
}

// LinkToolCalls completes the IDs and the names of tool calls and of their
// results: some APIs have only the IDs, others only the names. A call without an
// ID gets one.
func LinkToolCalls(messages []Message) {
	var open []ToolCall
	calls := 0
	for i := range messages {
		m := &messages[i]
		for j := range m.ToolCalls {
			calls++
			m.ToolCalls[j].ID = cmp.Or(m.ToolCalls[j].ID, fmt.Sprintf("call_%d", calls))
			open = append(open, m.ToolCalls[j])
		}
		if m.Role != RoleTool {
			continue
		}
		n := slices.IndexFunc(open, func(c ToolCall) bool {
			return m.ToolCallID != "" && c.ID == m.ToolCallID || m.ToolCallID == "" && (m.Name == "" || c.Name == m.Name)
		})
		if n < 0 {
			continue
		}
		m.ToolCallID, m.Name = open[n].ID, open[n].Name
		open = slices.Delete(open, n, n+1)
	}
}

// MoveToolImages copies the images of tools' messages to a user's message after
// them, for APIs that take no images from a tool.
func MoveToolImages(messages []Message) []Message {
	var out []Message
	var moved []Part
	flush := func() {
		if moved != nil {
			out = append(out, Message{Role: RoleUser, Parts: moved})
			moved = nil
		}
	}
	for _, m := range messages {
		if m.Role != RoleTool {
			flush()
		} else if images := m.Images(); images != nil {
			moved = append(append(moved, Part{Text: "What " + cmp.Or(m.Name, "the tool") + " shows:"}), images...)
		}
		out = append(out, m)
	}
	flush()
	return out
}

// AppendPartial adds the beginning of an answer to the end of the conversation,
// for a server to continue it. It changes no message in place.
func (r *Request) AppendPartial(text string) {
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == RoleAssistant { // the client began the answer
		last := r.Messages[n-1]
		last.Parts = slices.Clone(last.Parts)
		if end := len(last.Parts) - 1; end >= 0 && last.Parts[end].Image == nil {
			last.Parts[end].Text += text // parts of their own would be joined by a line break
		} else {
			last.Parts = append(last.Parts, Part{Text: text})
		}
		r.Messages = append(slices.Clone(r.Messages[:n-1]), last)
		return
	}
	r.Messages = append(r.Messages, Message{Role: RoleAssistant, Parts: []Part{{Text: text}}})
}

// ImageFromURL returns the image at an address, which may be a data: URL.
func ImageFromURL(url string) *Image {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		if head, data, ok := strings.Cut(rest, ","); ok {
			if media, ok := strings.CutSuffix(head, ";base64"); ok {
				media, _, _ = strings.Cut(media, ";")
				return &Image{MediaType: media, Data: data}
			}
		}
	}
	return &Image{URL: url}
}

// Address returns the image's URL, or a data: URL of its bytes.
func (i Image) Address() string {
	if i.Data == "" {
		return i.URL
	}
	return "data:" + i.Type() + ";base64," + i.Data
}

// Type returns the media type. If it was not given, it is detected from the
// bytes; the fallback is "image/png".
func (i Image) Type() string {
	if i.MediaType != "" {
		return i.MediaType
	}
	head := i.Data[:min(len(i.Data), 64)]
	bytes, _ := base64.StdEncoding.DecodeString(head[:len(head)/4*4])
	if media := http.DetectContentType(bytes); strings.HasPrefix(media, "image/") {
		return media
	}
	return "image/png"
}
