package remote

import (
	"bufio"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/turbone/jarvis/healer"
)

// TestReadEvents: events end at an empty line, may span lines of data, and the
// rest of the protocol is passed over.
func TestReadEvents(t *testing.T) {
	event := func(node string) string { return `{"type":"healthy","node":"` + node + `"}` }
	wide := strings.Repeat(" ", maxLine/2)
	for _, c := range []struct {
		name, stream string
		want         []string
		lines        int
		err          error
	}{
		{"two events", "id: 1\nevent: healthy\ndata: " + event("M1") + "\n\ndata:" + event("M2") + "\n\n", []string{"M1", "M2"}, 6, nil},
		{"comments and empty lines", ":alive\n\n\n\ndata: " + event("M1") + "\n\n", []string{"M1"}, 6, nil},
		{"data on two lines", "data: {\"type\":\"healthy\",\ndata: \"node\":\"M1\"}\n\n", []string{"M1"}, 3, nil},
		{"lines of other systems", "data: " + event("M1") + "\r\n\r\n", []string{"M1"}, 2, nil},
		{"an event that is cut off", "data: " + event("M1") + "\n\ndata: " + event("M2"), []string{"M1"}, 3, nil},
		{"a line without an end", "data: " + wide + wide + wide, nil, 0, bufio.ErrTooLong},
		{"data without an end", strings.Repeat("data: "+wide+"\n", 4), nil, 2, bufio.ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			lines := 0
			err := readEvents(strings.NewReader(c.stream), func() { lines++ }, func(e healer.Event) bool {
				got = append(got, e.Node)
				return true
			})
			if !slices.Equal(got, c.want) || lines != c.lines || !errors.Is(err, c.err) {
				t.Errorf("nodes %v, %d lines, %v; want %v, %d, %v", got, lines, err, c.want, c.lines, c.err)
			}
		})
	}
	if err := readEvents(strings.NewReader("data: {\n\n"), func() {}, nil); err == nil {
		t.Error("what is not JSON is no error")
	}
}
