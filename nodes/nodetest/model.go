package nodetest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// None is a share of nothing, see [Model].
const None = -1

// Model is a model on a fake's disk.
type Model struct {
	// Name is the engine's identifier.
	Name string
	// Size is in bytes. 0 means 1 GiB.
	Size int64
	// Digest identifies the file. "" means one that is made from the name.
	Digest string
	// Knowledge maps phrases to answers. A question that contains a phrase gets
	// its answer. Nil means [Knowledge].
	Knowledge map[string]string
	// Right is the share of questions that are answered right, 0 to 1, or
	// [None]. 0 means all. A question is always answered the same way.
	Right float64
	// TokensPerSecond is the speed. 0 means no delay.
	TokensPerSecond float64
	// LoadTime is the duration of a load.
	LoadTime time.Duration
	// Thinking is the thinking before every answer. "" means none.
	Thinking string
	// Tools: it calls the offered tools that a question names.
	Tools bool
	// Vision: it takes images.
	Vision bool
	// EmbeddingsOnly: it answers no chats.
	EmbeddingsOnly bool
	// Aliases are other names under which a fake OpenAI-compatible server serves
	// it. Answers name the model.
	Aliases []string
	// VRAMShare is the share of the model on the GPU, 0 to 1, or [None]. 0 means
	// all of it.
	VRAMShare float64
	// Broken makes all loads fail.
	Broken bool
}

// Knowledge returns the knowledge of a model by default. It includes the answers
// to the healer's questions.
func Knowledge() map[string]string {
	return map[string]string{
		"2+2":               "4",
		"2 + 2":             "4",
		"capital of France": "Paris",
		"capital of Italy":  "The capital is Rome.",
		"color of the sky":  "blue",
		"opposite of hot":   "cold",
		"6 times 7":         "42",
		"Reply with OK":     "OK",
	}
}

const wrongAnswer = "banana"

func (m Model) size() int64 {
	if m.Size == 0 {
		return 1 << 30
	}
	return m.Size
}

func (m Model) digest() string {
	if m.Digest != "" {
		return m.Digest
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.Name))
	return strings.Repeat(fmt.Sprintf("%016x", h.Sum64()), 4)
}

func (m Model) vram() int64 {
	switch {
	case m.VRAMShare < 0:
		return 0
	case m.VRAMShare == 0:
		return m.size()
	}
	return int64(m.VRAMShare * float64(m.size()))
}

// answer returns the model's answer to a prompt.
func (m Model) answer(prompt string) string {
	know := m.Knowledge
	if know == nil {
		know = Knowledge()
	}
	var best string
	for phrase := range know {
		if strings.Contains(prompt, phrase) && (len(phrase) > len(best) || len(phrase) == len(best) && phrase < best) {
			best = phrase
		}
	}
	if best == "" {
		return "I do not know."
	}
	if !m.knows(best) {
		return wrongAnswer
	}
	return know[best]
}

// rest returns the answer without its beginning, given, or the whole answer if it
// begins differently.
func rest(answer, given string) string {
	if after, ok := strings.CutPrefix(answer, given); ok {
		return after
	}
	return answer
}

// knows reports whether a question is answered right, by its hash.
func (m Model) knows(question string) bool {
	if m.Right == 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(question))
	return float64(h.Sum32()%10000) < m.Right*10000
}

// pieces splits a text into tokens: words with the space before them.
func pieces(text string) []string {
	var out []string
	start := 0
	for i := 1; i < len(text); i++ {
		if text[i] == ' ' {
			out = append(out, text[start:i])
			start = i
		}
	}
	if text != "" {
		out = append(out, text[start:])
	}
	return out
}

// instance is a model in the fake's memory.
type instance struct {
	id       string
	model    Model
	settings map[string]any
	loading  bool
	stopping bool
	crashed  bool
	halfDead bool
	expires  time.Time // zero: never
}

func findModel(list []Model, same func(a, b string) bool, name string) (Model, bool) {
	i := slices.IndexFunc(list, func(m Model) bool { return same(m.Name, name) })
	if i < 0 {
		return Model{}, false
	}
	return list[i], true
}
