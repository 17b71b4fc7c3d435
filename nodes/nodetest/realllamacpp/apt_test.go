package realllamacpp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSources(t *testing.T) {
	const here = "deb [check-valid-until=no signed-by=/k.gpg] http://mirror.invalid/debian forky main"
	const sid = "deb [check-valid-until=no signed-by=/k.gpg] http://mirror.invalid/debian sid main"
	for _, test := range []struct {
		name string
		got  []string
		want []string
	}{
		{"stanzas", fromStanzas("Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://mirror.invalid/debian-security\nSigned-By: /k.gpg\n"), []string{here, sid}},
		{"a stanza that is off", fromStanzas("Enabled: no\nURIs: http://mirror.invalid/debian\n"), nil},
		{"a comment before", fromStanzas("# URIs: http://old.invalid/debian\nURIs: http://mirror.invalid/debian\nSigned-By: /k.gpg"), []string{here, sid}},
		{"lines", fromLines("# deb http://old.invalid/debian x main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm main\ndeb-src http://mirror.invalid/debian bookworm main\n"), []string{here, sid}},
		{"a line without options", fromLines("deb http://mirror.invalid/debian/ bookworm main"), []string{
			"deb [check-valid-until=no] http://mirror.invalid/debian/ forky main", "deb [check-valid-until=no] http://mirror.invalid/debian/ sid main",
		}},
		{"another archive", fromLines("deb https://other.invalid/apt cloud main"), nil},
		{"options without an end", fromLines("deb [signed-by=/k.gpg http://mirror.invalid/debian x main"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
