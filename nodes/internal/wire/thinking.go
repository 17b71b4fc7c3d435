package wire

import "strings"

// SplitThinking separates an answer from its thinking, which older reasoning models
// send in it as <think>…</think>. Without a closing tag, the model was cut off
// while it was thinking, and there is no answer. Without an opening tag, it was
// part of the template. A text without tags is returned unchanged; otherwise both
// parts are trimmed.
func SplitThinking(text string) (thinking, answer string) {
	const begin, end = "<think>", "</think>"
	if !strings.Contains(text, begin) && !strings.Contains(text, end) {
		return "", text
	}
	var think, rest strings.Builder
	for {
		i, j := strings.Index(text, begin), strings.Index(text, end)
		switch {
		case j >= 0 && (i < 0 || j < i): // the text before it was thinking
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
