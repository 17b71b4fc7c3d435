package tinygguf

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteIsDeterministicAndAligned(t *testing.T) {
	spec := Spec{Name: "t", Rules: []Rule{
		{When: "2+2", Say: "4"},
		{When: "capital of Italy", Say: "The capital is Rome."},
		{When: "capital of France", Say: "The capital is Paris."},
	}}
	var a, b bytes.Buffer
	if err := Write(&a, spec); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, spec); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two writes of one spec differ")
	}
	if string(a.Bytes()[:4]) != "GGUF" || a.Len()%alignment != 0 {
		t.Errorf("magic %q, length %d: want GGUF and a multiple of %d", a.Bytes()[:4], a.Len(), alignment)
	}
}

func TestTheNameMakesAnotherFile(t *testing.T) {
	var a, b bytes.Buffer
	if err := Write(&a, Spec{Name: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, Spec{Name: "two"}); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two names, one file")
	}
}

func TestAnswersChain(t *testing.T) {
	spec := Spec{Default: "The sky is blue.", Rules: []Rule{
		{When: "a?", Say: "The capital is Rome."},
		{When: "b?", Say: "The capital is Paris."},
		{When: "c?", Say: "4"},
		{When: "d?", Say: ""},
		{When: "e?", Say: "The sky is grey."},
	}}
	m, err := build(spec)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"": follow(m, m.def)}
	want := map[string]string{"": spec.Default}
	for i, rule := range spec.Rules {
		got[rule.When] = follow(m, m.keywords[i].first)
		want[rule.When] = rule.Say
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestALoopGoesRound(t *testing.T) {
	m, err := build(Spec{Rules: []Rule{{When: "forever", Pieces: []string{"tick", " tock,", " "}, Loop: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := follow(m, m.keywords[0].first); !strings.HasPrefix(got, "tick tock, tick tock, tick") {
		t.Errorf("loop says %.40q", got)
	}
}

func TestSpecsThatCannotBeWritten(t *testing.T) {
	for name, spec := range map[string]Spec{
		"an empty keyword":  {Rules: []Rule{{When: "", Say: "x"}}},
		"a keyword twice":   {Rules: []Rule{{When: "k", Say: "x"}, {When: "k", Say: "y"}}},
		"a loop piece used": {Rules: []Rule{{When: "k", Say: "tick"}, {When: "l", Pieces: []string{"tick"}, Loop: true}}},
	} {
		if err := Write(&bytes.Buffer{}, spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// follow says what comes after a token, up to a hundred tokens.
func follow(m *model, token int) string {
	var b strings.Builder
	for i := 0; token != endID && i < 100; i++ {
		b.WriteString(strings.ReplaceAll(m.texts[token], "\u2581", " "))
		token = m.next[token]
	}
	return b.String()
}
