package nodetest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Model is a model on a fake's disk, with a known share of right answers and a
// known speed.
type Model struct {
	// Name is the engine's identifier.
	Name string
	// Size is in bytes; 0 means 1 GiB.
	Size int64
	// Digest is made from the name where empty.
	Digest string
	// Knowledge maps a phrase to the right answer of every question that holds
	// it; nil means [Knowledge].
	Knowledge map[string]string
	// Right is the share of questions answered right, 0 to 1; the zero value
	// means all, a negative one none. Which ones depends on the question
	// alone, so that a run is repeatable.
	Right float64
	// TokensPerSecond is its speed; 0 is as fast as it can.
	TokensPerSecond float64
	// LoadTime is how long a load takes.
	LoadTime time.Duration
	// Thinking, where not empty, comes before every answer.
	Thinking string
	// VRAMShare is the part of it on the GPU, 0 to 1; the zero value means
	// all, a negative one none.
	VRAMShare float64
	// Broken: its loads always fail.
	Broken bool
}

// Knowledge is what a model knows unless told otherwise: the questions of the
// healer's mini-benchmark among it.
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

// answer returns what the model says to a prompt.
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

// rest is what follows the beginning of an answer that was given; all of it
// where that is not how it begins.
func rest(answer, given string) string {
	if after, ok := strings.CutPrefix(answer, given); ok {
		return after
	}
	return answer
}

// knows spreads the right answers over the questions by their hash.
func (m Model) knows(question string) bool {
	if m.Right == 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(question))
	return float64(h.Sum32()%10000) < m.Right*10000
}

// pieces cuts a text into tokens: words with the space before them.
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
	expires  time.Time // zero: never
}

func findModel(list []Model, same func(a, b string) bool, name string) (Model, bool) {
	i := slices.IndexFunc(list, func(m Model) bool { return same(m.Name, name) })
	if i < 0 {
		return Model{}, false
	}
	return list[i], true
}
