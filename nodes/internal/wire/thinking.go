package wire

import "strings"

// SplitThinking parts an answer from the thinking that older reasoning models
// leave in it as <think>…</think>. A tag that is never closed means that the
// model was cut while thinking: there is no answer. A closing tag alone means
// that the template swallowed the opening one.
func SplitThinking(text string) (thinking, answer string) {
	const begin, end = "<think>", "</think>"
	var think, rest strings.Builder
	for {
		i, j := strings.Index(text, begin), strings.Index(text, end)
		switch {
		case j >= 0 && (i < 0 || j < i):
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
			if think.Len() == 0 {
				return "", text
			}
			return strings.TrimSpace(think.String()), strings.TrimSpace(rest.String())
		}
	}
}
