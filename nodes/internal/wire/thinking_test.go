package wire

import "testing"

func TestSplitThinking(t *testing.T) {
	for name, test := range map[string]struct{ text, thinking, answer string }{
		"none":                        {"Paris ", "", "Paris "},
		"nothing":                     {"", "", ""},
		"before the answer":           {"<think>\nhm\n</think>\n\nParis", "hm", "Paris"},
		"empty":                       {"<think>\n\n</think>\n\nParis", "", "Paris"},
		"empty in the middle":         {"It is <think></think>Paris", "", "It is Paris"},
		"never closed":                {"<think>hm, the capital", "hm, the capital", ""},
		"opened by the template":      {"hm, the capital</think>Paris", "hm, the capital", "Paris"},
		"twice":                       {"<think>a</think>x<think>b</think>y", "ab", "xy"},
		"closed twice":                {"<think>a</think>x</think>y", "ax", "y"},
		"opened after an answer":      {"Paris<think>or not", "or not", "Paris"},
		"only thought":                {"<think>hm</think>", "hm", ""},
		"another tag":                 {"<b>Paris</b>", "", "<b>Paris</b>"},
		"a tag that is cut in pieces": {"<thi", "", "<thi"},
	} {
		t.Run(name, func(t *testing.T) {
			thinking, answer := SplitThinking(test.text)
			if thinking != test.thinking || answer != test.answer {
				t.Errorf("SplitThinking(%q) = %q, %q; want %q, %q", test.text, thinking, answer, test.thinking, test.answer)
			}
		})
	}
}
