package remote_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/healer/remote"
)

// TestReports plays what others reported of clients of a stream of events, see
// docs/reports.md.
func TestReports(t *testing.T) {
	t.Run("a resumed stream breaks before its first event", func(t *testing.T) {
		var positions []string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			position := r.Header.Get("Last-Event-ID")
			if position == "" {
				position = r.URL.Query().Get("after")
			}
			positions = append(positions, position)
			w.Header().Set("Content-Type", "text/event-stream")
			if len(positions) < 3 {
				_, _ = io.WriteString(w, ": alive\n\n")
				return
			}
			_, _ = io.WriteString(w, "id: 8\ndata: {\"id\":8}\n\n")
		}))
		defer s.Close()
		for e, err := range client(t, remote.Config{Address: s.URL}).Events(t.Context(), 7) {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID == 8 {
				break
			}
		}
		if diff := cmp.Diff([]string{"7", "7", "7"}, positions); diff != "" {
			t.Errorf("positions (-want +got):\n%s", diff)
		}
	})
}
