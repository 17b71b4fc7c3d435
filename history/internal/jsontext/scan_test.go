package jsontext

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzMembers: valid JSON is taken apart as a decoder does it, and nothing else
// does harm.
func FuzzMembers(f *testing.F) {
	for _, path := range []string{"../../testdata/benchmark_history_104.json", "../../testdata/autotest_results_50.json"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1,"b":[1,{"c":"]}\\\""}],"a":null}`, `{"\u0061\"":"\\","é":-1.5e+3 , "x" : true}`, `[1,2]`, `"a"`, `1`,
		``, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{a}`, `}`, `{"a":}`, `{"a":[`, "{\"\xff\":1}", `{"\ud800":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseObject(text)
		if !json.Valid(text) {
			return
		}
		want := map[string]json.RawMessage{}
		if wrong := json.Unmarshal(text, &want); (wrong != nil) != (err != nil) {
			if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
				return
			}
			t.Fatalf("members says %v, the decoder %v", err, wrong)
		}
		found := map[string]json.RawMessage{}
		for _, m := range got {
			found[m.Key] = m.Value
		}
		if err == nil && len(want) > 0 {
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
		}
	})
}
