package nodes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/nodes"
)

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		a, b        nodes.Settings
		diff, unmet []string
	}{
		"both nothing":             {nil, nodes.Settings{}, nil, nil},
		"the same":                 {nodes.Settings{"n": 1, "on": true, "s": "x"}, nodes.Settings{"n": 1, "on": true, "s": "x"}, nil, nil},
		"numbers of other types":   {nodes.Settings{"n": 8192}, nodes.Settings{"n": 8192.0}, nil, nil},
		"a number out of JSON":     {nodes.Settings{"n": int64(8192)}, nodes.Settings{"n": json.Number("8192")}, nil, nil},
		"a number as a string":     {nodes.Settings{"n": uint64(8192)}, nodes.Settings{"n": "8192"}, nil, nil},
		"a bool as a string":       {nodes.Settings{"on": true}, nodes.Settings{"on": "true"}, nil, nil},
		"another value":            {nodes.Settings{"n": 1, "m": 1}, nodes.Settings{"n": 2, "m": 2}, []string{"m", "n"}, []string{"m", "n"}},
		"true is not 1":            {nodes.Settings{"on": true}, nodes.Settings{"on": 1}, []string{"on"}, []string{"on"}},
		"one the other lacks":      {nodes.Settings{"n": 1}, nil, []string{"n"}, nil},
		"one that nobody asked":    {nil, nodes.Settings{"n": 1}, []string{"n"}, nil},
		"halves are not the whole": {nodes.Settings{"n": 0.5}, nodes.Settings{"n": float32(0.25)}, []string{"n"}, []string{"n"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.diff, test.a.Diff(test.b)); diff != "" {
				t.Errorf("Diff: %s", diff)
			}
			if diff := cmp.Diff(test.diff, test.b.Diff(test.a)); diff != "" {
				t.Errorf("Diff the other way: %s", diff)
			}
			if diff := cmp.Diff(test.unmet, test.a.Unmet(test.b)); diff != "" {
				t.Errorf("Unmet: %s", diff)
			}
		})
	}
}

func TestSettingsCloneSharesNothing(t *testing.T) {
	a := nodes.Settings{"n": 1}
	b := a.Clone()
	b["n"] = 2
	if a["n"] != 1 || nodes.Settings(nil).Clone() != nil {
		t.Errorf("got %v, %v", a, nodes.Settings(nil).Clone())
	}
}

func TestModelEqual(t *testing.T) {
	m := nodes.Model{Name: "m", Settings: nodes.Settings{"n": 1}, Digest: "d"}
	for name, test := range map[string]struct {
		other nodes.Model
		want  bool
	}{
		"itself":           {m, true},
		"digest unknown":   {nodes.Model{Name: "m", Settings: nodes.Settings{"n": 1.0}}, true},
		"another digest":   {nodes.Model{Name: "m", Settings: nodes.Settings{"n": 1}, Digest: "e"}, false},
		"another name":     {nodes.Model{Name: "k", Settings: nodes.Settings{"n": 1}, Digest: "d"}, false},
		"another setting":  {nodes.Model{Name: "m", Settings: nodes.Settings{"n": 2}, Digest: "d"}, false},
		"without settings": {nodes.Model{Name: "m", Digest: "d"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := m.Equal(test.other); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestSecretShowsNowhere(t *testing.T) {
	const key = "sk-lm-very-secret"
	s := nodes.NewSecret(key)
	type config struct {
		Key nodes.Secret `json:"key"`
		Ptr *nodes.Secret
	}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&shown, verb+verb+verb, s, &s, config{s, &s})
	}
	b, err := json.Marshal(config{s, &s})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(b)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("hello", "key", s, "config", config{s, &s})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("hello", "key", s, "config", config{s, &s})
	shown.Write(log.Bytes())
	shown.WriteString(fmt.Errorf("bad: %w %v", fmt.Errorf("%s", s), s).Error())
	for _, form := range []string{key, fmt.Sprintf("%x", key), fmt.Sprintf("%X", key)} {
		if strings.Contains(shown.String(), form) {
			t.Errorf("%s shows in %s", form, shown.String())
		}
	}
	if s.Reveal() != key || s.Empty() || s.String() != "***" {
		t.Errorf("reveals %q, empty %t, as a string %q", s.Reveal(), s.Empty(), s)
	}
	if none := (nodes.Secret{}); !none.Empty() || none.String() != "" {
		t.Errorf("no key: empty %t, as a string %q", none.Empty(), none)
	}
}

func TestSet(t *testing.T) {
	node := func(name string) *nodes.Node { return &nodes.Node{Name: name} }
	s, err := nodes.NewSet(node("M1"), node("M2"), node("OL1"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, n := range s.All() {
		if s.At(i) != n || s.Get(n.Name) != n {
			t.Errorf("%d is %v", i, n)
		}
		names = append(names, n.Name)
	}
	if diff := cmp.Diff([]string{"M1", "M2", "OL1"}, names); diff != "" || s.Len() != 3 {
		t.Error(diff, s.Len())
	}
	if s.Get("M9") != nil {
		t.Error("a node that is not there was found")
	}
	if _, err := nodes.NewSet(node("M1"), node("M2"), node("M1")); err == nil || err.Error() != `nodes 1 and 3 are both named "M1": names must be unique` {
		t.Errorf("got %v", err)
	}
}
