// Package tinygguf writes tiny GGUF language models whose answers are known in
// advance. The files are ordinary llama-architecture models: a real engine
// (Ollama, llama.cpp's llama-server) loads them, tokenizes, runs attention,
// samples and streams as it does with any other model. Only the weights are
// constructed instead of trained.
//
// How a model answers. The residual stream has one "constant" dimension, one
// input dimension for each keyword and one output dimension for each answer
// token. Query and key weights are zero, so attention is the plain average of
// the value vectors over the whole context; value and output projections turn
// "keyword K was seen anywhere in the context" into a push towards the first
// token of K's answer. Answer tokens carry, in their embedding, a far stronger
// push towards their successor, and the last one towards end-of-sequence. Any
// other last token has a faint push towards the default answer. So:
//
//	a keyword in the context      -> its answer, then </s>
//	no keyword in the context     -> the default answer, then </s>
//	two keywords                  -> the one with the larger weight*count
//
// The final logits are tens to thousands apart, so the output is the same at
// any ordinary temperature, seed, top_k, top_p or repeat_penalty.
package tinygguf

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Spec says what one model answers and how big it is. It can be written as
// JSON.
type Spec struct {
	// Name goes into the file, so that two specs of one content and two names
	// are two files.
	Name string `json:"name"`
	// Rules are its knowledge. No keyword may be given twice.
	Rules []Rule `json:"rules"`
	// Default is said where no keyword was seen; "" means "I do not know."
	Default string `json:"default"`
	// DefaultLoop makes the default answer go round for ever.
	DefaultLoop bool `json:"default_loop,omitempty"`
	// Context is the trained context length, to which engines clamp; 0 means
	// 8192.
	Context int `json:"context,omitempty"`
	// Continues has the answers' words found in what the model reads, too: given the
	// beginning of an answer up to the end of a word, it goes on with the next. Else
	// it begins the answer anew.
	Continues bool `json:"continues,omitempty"`
	// Layers is how many there are; 0 means 1. Every layer after the first is
	// work for nothing: the model gets slower and larger.
	Layers int `json:"layers,omitempty"`
	// FF is the feed-forward width; 0 means 32. A larger one makes the model
	// slower and larger. With 8 layers, 32768 is 200 MB.
	FF int `json:"ff,omitempty"`
}

// Rule is one keyword and what the model says when it is in the context.
type Rule struct {
	// When is the keyword, matched byte for byte, the longest first.
	When string `json:"when"`
	// Say is the answer. "" ends the answer at once, without a token.
	Say string `json:"say"`
	// Pieces is how Say is cut into tokens; nil cuts before each space.
	Pieces []string `json:"pieces,omitempty"`
	// Loop makes the answer go round for ever.
	Loop bool `json:"loop,omitempty"`
	// Weight decides between two keywords in one context; 0 means 1.
	Weight float64 `json:"weight,omitempty"`
}

// ChatTemplate is the Jinja template the file carries (llama-server uses it).
const ChatTemplate = `{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}` + "\n" + `{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`

// OllamaTemplate is the Go template to pass to Ollama's create call. As with
// those of most models, a last message of the assistant's is left open, to be
// carried on.
const OllamaTemplate = `{{- range $i, $_ := .Messages }}{{- $last := eq (len (slice $.Messages $i)) 1 }}<|{{ .Role }}|>{{ .Content }}` +
	`{{ if not (and $last (eq .Role "assistant")) }}` + "\n" + `{{ if $last }}<|assistant|>{{ end }}{{ end }}{{ end }}`

// Kinds of tokens, by GGUF's numbers.
const (
	tokenNormal  = 1
	tokenUnknown = 2
	tokenControl = 3
	tokenUser    = 4
	tokenByte    = 6
)

// The first three tokens.
const (
	unknownID = 0
	beginID   = 1
	endID     = 2
)

// The weights. The gaps between them keep the answer the same at any sampling.
const (
	pushDefault = 0.05 // any token -> first token of the default answer
	pushKeyword = 1e4  // keyword seen -> first token of its answer (divided by the context length)
	pushNext    = 1e6  // answer token -> next answer token
	headScale   = 1000 // output matrix
)

// model is a spec turned into tokens.
type model struct {
	texts    []string
	types    []int32
	id       map[string]int
	next     map[int]int // answer token -> successor token
	keywords []keyword   // keyword token -> first answer token
	def      int
	// user makes answer tokens user-defined ones: only those are looked for in a
	// text before it is cut into pieces.
	user bool
}

// keyword is a rule turned into tokens.
type keyword struct {
	token, first int
	weight       float64
}

func (m *model) add(text string, kind int32) int {
	if i, ok := m.id[text]; ok {
		if kind == tokenUser && m.types[i] == tokenNormal {
			m.types[i] = tokenUser
		}
		return i
	}
	m.id[text] = len(m.texts)
	m.texts = append(m.texts, text)
	m.types = append(m.types, kind)
	return len(m.texts) - 1
}

// piece returns the vocabulary text of an answer token: in a normal one spaces are
// U+2581.
func (m *model) piece(s string) string {
	if m.user {
		return s
	}
	return strings.ReplaceAll(s, " ", "\u2581")
}

// addAnswer adds the token of a part of an answer.
func (m *model) addAnswer(text string) int {
	if m.user {
		return m.add(text, tokenUser)
	}
	return m.add(text, tokenNormal)
}

// cut parts an answer into words with the space before them.
func cut(s string) []string {
	var out []string
	start := 0
	for i := 1; i < len(s); i++ {
		if s[i] == ' ' {
			out = append(out, s[start:i])
			start = i
		}
	}
	return append(out, s[start:])
}

// answer adds the tokens of one answer and returns its first token. A piece
// that already has another successor is glued to the piece after it, so that
// every token has exactly one successor.
func (m *model) answer(say string, pieces []string, loop bool) (int, error) {
	if say == "" && len(pieces) == 0 {
		return endID, nil
	}
	if len(pieces) == 0 {
		pieces = cut(say)
	}
	// Walk backwards: the successor of the piece in hand is always known.
	if loop {
		// A loop needs tokens of its own.
		first, prev := -1, -1
		for _, p := range pieces {
			if _, used := m.next[m.addAnswer(m.piece(p))]; used {
				return 0, fmt.Errorf("tinygguf: loop piece %q is used twice", p)
			}
			t := m.id[m.piece(p)]
			if first < 0 {
				first = t
			} else {
				m.next[prev] = t
			}
			prev = t
		}
		m.next[prev] = first
		return first, nil
	}
	succ, tail := endID, ""
	for i := len(pieces) - 1; i >= 0; i-- {
		text := pieces[i] + tail
		if t, ok := m.id[m.piece(text)]; ok {
			if s, used := m.next[t]; used && s != succ {
				// Taken with another successor: glue it to the piece before,
				// or, at the start of the answer, to what comes after.
				if i > 0 {
					tail = text
					continue
				}
				return m.head(m.piece(text), succ)
			}
		}
		t := m.addAnswer(m.piece(text))
		m.next[t] = succ
		succ, tail = t, ""
	}
	return succ, nil
}

// head makes text, lengthened as far as needed, a token of its own.
func (m *model) head(text string, succ int) (int, error) {
	for succ != endID {
		text, succ = text+m.texts[succ], m.next[succ]
		if t, ok := m.id[text]; ok {
			if s, used := m.next[t]; used && s != succ {
				continue
			}
		}
		t := m.addAnswer(text)
		m.next[t] = succ
		return t, nil
	}
	return 0, fmt.Errorf("tinygguf: answer %q clashes with another one; give its pieces", text)
}

// build makes the vocabulary and the chains of answers.
func build(s Spec) (*model, error) {
	m := &model{id: map[string]int{}, next: map[int]int{}, user: s.Continues}
	m.add("<unk>", tokenUnknown)
	m.add("<s>", tokenControl)
	m.add("</s>", tokenControl)
	for i := 0; i < 256; i++ {
		m.add(fmt.Sprintf("<0x%02X>", i), tokenByte)
	}
	for _, r := range []string{"system", "user", "assistant", "tool"} {
		m.add("<|"+r+"|>", tokenControl)
	}
	m.add("\u2581", tokenNormal)
	for c := 33; c < 127; c++ {
		m.add(string(rune(c)), tokenNormal)
	}
	def := s.Default
	if def == "" {
		def = "I do not know."
	}
	var err error
	if m.def, err = m.answer(def, nil, s.DefaultLoop); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, r := range s.Rules {
		if r.When == "" || seen[r.When] {
			return nil, fmt.Errorf("tinygguf: keyword %q is empty or given twice", r.When)
		}
		seen[r.When] = true
		first, err := m.answer(r.Say, r.Pieces, r.Loop)
		if err != nil {
			return nil, err
		}
		w := r.Weight
		if w == 0 {
			w = 1
		}
		m.keywords = append(m.keywords, keyword{m.add(r.When, tokenUser), first, w})
	}
	return m, nil
}

// Write writes the model as a GGUF v3 file. Equal specs give equal bytes.
func Write(w io.Writer, s Spec) error {
	m, err := build(s)
	if err != nil {
		return err
	}
	if s.Context == 0 {
		s.Context = 8192
	}
	if s.Layers == 0 {
		s.Layers = 1
	}
	if s.FF == 0 {
		s.FF = 32
	}

	// Dimensions: 0 constant, then keywords, then targets of pushes.
	targets := map[int]int{}
	target := func(tok int) int {
		d, ok := targets[tok]
		if !ok {
			d = 1 + len(m.keywords) + len(targets)
			targets[tok] = d
		}
		return d
	}
	target(endID)
	target(m.def)
	for _, k := range m.keywords {
		target(k.first)
	}
	answers := make([]int, 0, len(m.next))
	for t := range m.next {
		answers = append(answers, t)
	}
	slices.Sort(answers)
	for _, t := range answers {
		target(m.next[t])
	}
	dim := (1 + len(m.keywords) + len(targets) + 63) / 64 * 64
	vocab := len(m.texts)

	embedding := make([]float32, vocab*dim)
	for t := 0; t < vocab; t++ {
		row := embedding[t*dim : (t+1)*dim]
		row[0] = 1
		if n, ok := m.next[t]; ok {
			row[target(n)] = pushNext
		} else {
			row[target(m.def)] = pushDefault
		}
	}
	val := make([]float32, dim*dim) // row o: output o
	out := make([]float32, dim*dim)
	for i, k := range m.keywords {
		d := 1 + i
		embedding[k.token*dim+d] = 1
		val[d*dim+d] = 1
		out[target(k.first)*dim+d] = float32(pushKeyword * k.weight)
	}
	head := make([]float32, vocab*dim)
	for t, d := range targets {
		head[t*dim+d] = headScale
	}

	ones := make([]float32, dim)
	for i := range ones {
		ones[i] = 1
	}
	f := &file{}
	f.meta("general.architecture", "llama")
	f.meta("general.type", "model")
	f.meta("general.name", s.Name)
	f.meta("general.file_type", uint32(0))
	f.meta("general.quantization_version", uint32(2))
	f.meta("llama.block_count", uint32(s.Layers))
	f.meta("llama.context_length", uint32(s.Context))
	f.meta("llama.embedding_length", uint32(dim))
	f.meta("llama.feed_forward_length", uint32(s.FF))
	f.meta("llama.attention.head_count", uint32(dim/64))
	f.meta("llama.attention.head_count_kv", uint32(dim/64))
	f.meta("llama.attention.layer_norm_rms_epsilon", float32(1e-5))
	f.meta("llama.rope.dimension_count", uint32(64))
	f.meta("llama.rope.freq_base", float32(10000))
	f.meta("llama.vocab_size", uint32(vocab))
	scores := make([]float32, vocab)
	for i := range scores {
		if m.types[i] == tokenNormal {
			scores[i] = -float32(i)
		}
	}
	f.meta("tokenizer.ggml.model", "llama")
	f.meta("tokenizer.ggml.pre", "default")
	f.meta("tokenizer.ggml.tokens", m.texts)
	f.meta("tokenizer.ggml.scores", scores)
	f.meta("tokenizer.ggml.token_type", m.types)
	f.meta("tokenizer.ggml.bos_token_id", uint32(beginID))
	f.meta("tokenizer.ggml.eos_token_id", uint32(endID))
	f.meta("tokenizer.ggml.unknown_token_id", uint32(unknownID))
	f.meta("tokenizer.ggml.add_bos_token", true)
	f.meta("tokenizer.ggml.add_eos_token", false)
	f.meta("tokenizer.ggml.add_space_prefix", false)
	f.meta("tokenizer.chat_template", ChatTemplate)

	f.tensor("token_embd.weight", embedding, dim, vocab)
	f.tensor("output_norm.weight", ones, dim)
	f.tensor("output.weight", head, dim, vocab)
	for l := 0; l < s.Layers; l++ {
		p := fmt.Sprintf("blk.%d.", l)
		f.tensor(p+"attn_norm.weight", ones, dim)
		f.tensor(p+"attn_q.weight", nil, dim, dim)
		f.tensor(p+"attn_k.weight", nil, dim, dim)
		if l == 0 {
			f.tensor(p+"attn_v.weight", val, dim, dim)
			f.tensor(p+"attn_output.weight", out, dim, dim)
		} else {
			f.tensor(p+"attn_v.weight", nil, dim, dim)
			f.tensor(p+"attn_output.weight", nil, dim, dim)
		}
		f.tensor(p+"ffn_norm.weight", ones, dim)
		f.tensor(p+"ffn_gate.weight", nil, dim, s.FF)
		f.tensor(p+"ffn_up.weight", nil, dim, s.FF)
		f.tensor(p+"ffn_down.weight", nil, s.FF, dim)
	}
	return f.write(w)
}
