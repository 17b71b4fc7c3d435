package table

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLines aligns cells with several bytes to a character, too, and colours
// take no room.
func TestLines(t *testing.T) {
	rows := [][]string{{"MODEL", "SCORE"}, {"modèle-α", "9.10", "best"}, {"x", "10"}}
	want := []string{"MODEL     SCORE", "modèle-α  9.10   best", "x         10"}
	if diff := cmp.Diff(want, Lines(rows, nil)); diff != "" {
		t.Errorf("plain (-want +got):\n%s", diff)
	}
	painted := Lines(rows, func(row, column int, cell string) string {
		if row == 1 && column == 0 {
			return "<" + cell + ">"
		}
		return cell
	})
	if diff := cmp.Diff([]string{want[0], "<modèle-α>  9.10   best", want[2]}, painted); diff != "" {
		t.Errorf("painted (-want +got):\n%s", diff)
	}
	if strings.HasSuffix(painted[2], " ") {
		t.Error("blanks at the end of a line")
	}
}
