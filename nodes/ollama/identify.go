package ollama

import (
	"context"
	"strings"

	"github.com/turbone/jarvis/nodes/internal/identify"
)

// Identify reports whether s is an Ollama server. Other servers have a version
// at the same path, so that the root counts as well.
func Identify(ctx context.Context, s *identify.Server) (identify.Match, bool) {
	version := identify.Text(s.Object(ctx, "/api/version")["version"])
	if version == "" || !strings.Contains(string(s.Get(ctx, "/").Body), "Ollama is running") {
		return identify.Match{}, false
	}
	return identify.Match{Version: version}, true
}
