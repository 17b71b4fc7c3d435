package gateway

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEcho(t *testing.T) {
	const said = "Once upon a time there was a king who had three daughters"
	for _, tt := range []struct {
		name   string
		said   string
		pieces []string
		want   []string // what of each is new
		rest   string
		anew   bool // the last one can't be joined
	}{
		{"carried on", said, []string{" and", " a dog."}, []string{" and", " a dog."}, "", false},
		{"an echo in pieces", said, []string{"Once upon a ti", "me there was a king who had three", " daughters", " and", " a dog."},
			[]string{"", "", "", " and", " a dog."}, "", false},
		{"an echo in one piece with what is new", said, []string{said + " and", " a dog."}, []string{" and", " a dog."}, "", false},
		{"an echo whose last piece has what is new", said, []string{said[:40], said[40:] + " and"}, []string{"", " and"}, "", false},
		{"said byte by byte", "Once", strings.Split("Once more", ""), []string{"", "", "", "", " ", "m", "o", "r", "e"}, "", false},
		{"it begins like the text and goes on", said, []string{"Once", " more she asked."}, []string{"", "Once more she asked."}, "", false},
		{"it begins anew and differs late", said, []string{"Once upon a time there ", "was a queen"}, []string{"", "Once upon a time there was a queen"}, "", true},
		{"it differs right before it would be too late", said, []string{said[:minRestart-1], "!"}, []string{"", said[:minRestart-1] + "!"}, "", false},
		{"it differs right then", said, []string{said[:minRestart], "!"}, []string{"", said[:minRestart] + "!"}, "", true},
		{"the answer ends while it may be an echo", said, []string{"Once"}, []string{""}, "Once", false},
		{"a text that repeats goes on so", "la la la la ", []string{"la ", "la ", "la!"}, []string{"la ", "la ", "la!"}, "", false},
		{"a text too short to be told", "The", []string{"The", "re"}, []string{"The", "re"}, "", false},
		{"nothing was said", "", []string{"Once"}, []string{"Once"}, "", false},
		{"an echo is taken away once", "Once more. ", []string{"Once more. ", "Once more. "}, []string{"", "Once more. "}, "", false},
		{"letters of several bytes", "Ça va où l'été s'en va", []string{"Ça va où l'\xc3", "\xa9té s'en va", " déjà"}, []string{"", "", " déjà"}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEchoFilter(tt.said)
			var got []string
			anew := false
			for _, p := range tt.pieces {
				text, ok := e.filter(p)
				got, anew = append(got, text), !ok
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || anew != tt.anew {
				t.Errorf("began anew %t, want %t; -want +got:\n%s", anew, tt.anew, diff)
			}
			if rest := e.flush(); rest != tt.rest {
				t.Errorf("the rest is %q, want %q", rest, tt.rest)
			}
			if again := e.flush(); again != "" {
				t.Errorf("the rest comes twice: %q", again)
			}
		})
	}
}

func TestRepeats(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"", false},
		{"a", false},
		{"aa", true},
		{"abab", true},
		{"ababa", true},
		{"abcab", false}, // not even twice
		{"abcabd", false},
		{"la la la l", true},
		{"abracadabra", false},
		{strings.Repeat("word ", 1000), true},
		{strings.Repeat("word ", 1000) + "end.", false},
		{strings.Repeat("a", 100_000) + "b", false}, // in no time
	} {
		if got := isPeriodic(tt.text); got != tt.want {
			t.Errorf("%.20q (%d bytes): %t, want %t", tt.text, len(tt.text), got, tt.want)
		}
	}
}
