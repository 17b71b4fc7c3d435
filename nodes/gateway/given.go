package gateway

import (
	"encoding/json"
	"strings"
)

// given returns the beginning of the answer that a chat request has: the text of its
// last message, if that is the assistant's.
func given(request []byte) string {
	var r struct {
		Messages []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
	}
	if json.Unmarshal(request, &r) != nil || len(r.Messages) == 0 {
		return ""
	}
	last := r.Messages[len(r.Messages)-1]
	if last.Role != "assistant" {
		return ""
	}
	var text string
	if json.Unmarshal(last.Content, &text) == nil {
		return text
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(last.Content, &parts) // of another shape: no text
	for _, p := range parts {
		text += p.Text
	}
	return text
}

// withoutGiven removes from a chat answer that is not streamed the beginning that the
// request gave it, as other servers do. An answer of another shape, or without that
// beginning, stays as it is.
func withoutGiven(answer []byte, given string) []byte {
	var all map[string]json.RawMessage
	if given == "" || json.Unmarshal(answer, &all) != nil {
		return answer
	}
	changed := false
	if all["choices"] != nil {
		changed = editList(all, "choices", func(choice map[string]json.RawMessage) bool {
			var message map[string]json.RawMessage
			return json.Unmarshal(choice["message"], &message) == nil && cutText(message, "content", given) && put(choice, "message", message)
		})
	} else {
		first := true
		changed = editList(all, "content", func(block map[string]json.RawMessage) bool {
			cut := first && cutText(block, "text", given)
			first = first && block["text"] == nil
			return cut
		})
	}
	out, err := json.Marshal(all)
	if !changed || err != nil {
		return answer
	}
	return out
}

// editList edits the objects of a list in place, and reports whether one changed.
func editList(all map[string]json.RawMessage, name string, edit func(map[string]json.RawMessage) bool) bool {
	var list []map[string]json.RawMessage
	if json.Unmarshal(all[name], &list) != nil {
		return false
	}
	changed := false
	for _, entry := range list {
		if entry != nil && edit(entry) {
			changed = true
		}
	}
	return changed && put(all, name, list)
}

// cutText removes a prefix of a text member.
func cutText(object map[string]json.RawMessage, name, prefix string) bool {
	var text string
	if json.Unmarshal(object[name], &text) != nil {
		return false
	}
	text, ok := strings.CutPrefix(text, prefix)
	return ok && put(object, name, text)
}

func put(object map[string]json.RawMessage, name string, v any) bool {
	b, err := json.Marshal(v)
	if err != nil {
		return false
	}
	object[name] = b
	return true
}
