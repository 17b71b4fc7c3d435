package wire

import "strings"

// SplitThinking parts an answer from the thinking that older reasoning models
// leave in it as <think>…</think>. A tag that is never closed means that the
// model was cut while thinking: there is no answer. A closing tag alone means
// that the template swallowed the opening one. A text without tags is returned
// as it is; with tags, both parts are trimmed.
func SplitThinking(text string) (thinking, answer string) {
	const begin, end = "<think>", "</think>"
	if !strings.Contains(text, begin) && !strings.Contains(text, end) {
		return "", text
	}
	var think, rest strings.Builder
	for {
		i, j := strings.Index(text, begin), strings.Index(text, end)
		switch {
		case j >= 0 && (i < 0 || j < i): // what came so far was thinking
			think.WriteString(rest.String() + text[:j])
			rest.Reset()
			text = text[j+len(end):]
		case i >= 0 && j > i:
			rest.WriteString(text[:i])
			think.WriteString(text[i+len(begin) : j])
			text = text[j+len(end):]
		case i >= 0:
			rest.WriteString(text[:i])
			think.WriteString(text[i+len(begin):])
			return strings.TrimSpace(think.String()), strings.TrimSpace(rest.String())
		default:
			rest.WriteString(text)
			return strings.TrimSpace(think.String()), strings.TrimSpace(rest.String())
		}
	}
}
