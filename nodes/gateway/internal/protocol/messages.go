package chat

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// errNoMessages is of a request that asks nothing.
var errNoMessages = fmt.Errorf("messages: there has to be at least one")

// text joins the texts of a message. Where an API takes a single text, servers
// join several by line breaks.
func (m Message) text() string {
	var texts []string
	for _, p := range m.Parts {
		if p.Image == nil {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// images returns the pictures of a message.
func (m Message) images() (images []Part) {
	for _, p := range m.Parts {
		if p.Image != nil {
			images = append(images, p)
		}
	}
	return images
}

// answer is the text of a tool's message for a protocol in which a tool can't
// say that it failed other than in words.
func (m Message) answer() string {
	text := m.text()
	if m.Failed && !strings.HasPrefix(strings.ToLower(text), "error") {
		return "Error: " + text
	}
	return text
}

// schema is what a tool takes, which some servers want to be told even if it is
// nothing.
func (t ToolSpec) schema() json.RawMessage {
	if t.Parameters == nil {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}

// texts makes parts of a text; none of an empty one.
func texts(text string) []Part {
	if text == "" {
		return nil
	}
	return []Part{{Text: text}}
}

// match completes who answers whom: some protocols know the calls' IDs alone,
// others the tools' names alone, and a call without an ID gets one.
func match(messages []Message) {
	var open []Call
	calls := 0
	for i := range messages {
		m := &messages[i]
		for j := range m.Calls {
			calls++
			if m.Calls[j].ID == "" {
				m.Calls[j].ID = fmt.Sprintf("call_%d", calls)
			}
			open = append(open, m.Calls[j])
		}
		if m.Role != Tool {
			continue
		}
		n := slices.IndexFunc(open, func(c Call) bool {
			return m.CallID != "" && c.ID == m.CallID || m.CallID == "" && (m.Name == "" || c.Name == m.Name)
		})
		if n < 0 {
			continue
		}
		m.CallID, m.Name = open[n].ID, open[n].Name
		open = slices.Delete(open, n, n+1)
	}
}

// afterTools moves what tools show to a user's message behind their answers:
// neither OpenAI's nor Ollama's protocol has pictures in a tool's message.
func afterTools(messages []Message) []Message {
	var out []Message
	var shown []Part
	for _, m := range messages {
		if m.Role != Tool && shown != nil {
			out = append(out, Message{Role: User, Parts: shown})
			shown = nil
		}
		if m.Role == Tool {
			if images := m.images(); images != nil {
				shown = append(append(shown, Part{Text: "What " + or(m.Name, "the tool") + " shows:"}), images...)
			}
		}
		out = append(out, m)
	}
	if shown != nil {
		out = append(out, Message{Role: User, Parts: shown})
	}
	return out
}

// imageAt reads an address of a picture: bytes in a data: URL, or a place.
func imageAt(url string) *Image {
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

// address is the other way round.
func (i Image) address() string {
	if i.Data == "" {
		return i.URL
	}
	return "data:" + i.mediaType() + ";base64," + i.Data
}

// mediaType looks at the picture where nobody said what it is.
func (i Image) mediaType() string {
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
