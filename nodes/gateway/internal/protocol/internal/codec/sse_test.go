package codec

import "testing"

func TestParseEvent(t *testing.T) {
	for frame, want := range map[string]struct{ name, data string }{
		"":                            {"", ""},
		": a comment":                 {"", ""},
		"data: x":                     {"", "x"},
		"data:x\r":                    {"", "x"},
		"data:  x ":                   {"", " x "},
		"data":                        {"", ""},
		"event: e\ndata: x":           {"e", "x"},
		"data: x\nevent: e":           {"e", "x"},
		"id: 7\r\ndata: a\r\ndata: b": {"", "a\nb"},
		"data: a\ndata:\ndata: b":     {"", "a\n\nb"},
		"datum: x\nretry: 9":          {"", ""},
	} {
		frame := []byte(frame)
		before := string(frame)
		if name, data := ParseEvent(frame); string(name) != want.name || string(data) != want.data {
			t.Errorf("%q: got %q %q, want %q %q", frame, name, data, want.name, want.data)
		}
		if string(frame) != before {
			t.Errorf("%q was changed to %q", before, frame)
		}
	}
}

func TestAppendEvent(t *testing.T) {
	if got := string(AppendEvent([]byte("a"), "", []byte("x"))); got != "adata: x\n\n" {
		t.Errorf("got %q", got)
	}
	if got := string(AppendEvent(nil, "e", []byte("x"))); got != "event: e\ndata: x\n\n" {
		t.Errorf("got %q", got)
	}
}

func TestIsEvent(t *testing.T) {
	for frame, want := range map[string]bool{
		"": true, ": ping": true, "event: x": true, "id: 1\nretry: 5": true, "data:": true, "data": false,
		"<html>": false, "\r": false, "event: x\n<html>": false, "{}": false, `{"a": 1}`: false,
	} {
		if got := IsEvent([]byte(frame)); got != want {
			t.Errorf("%q: got %v", frame, got)
		}
	}
}
