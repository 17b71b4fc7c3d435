package lmstudio

import (
	"context"
	"strings"

	"github.com/turbone/jarvis/nodes/internal/identify"
	"github.com/turbone/jarvis/nodes/internal/wire"
)

// Identify reports whether s is an LM Studio. Ask it before other engines: LM
// Studio answers every path with a success. It tells no version; the one given
// is "0.4+" or "0.3" by the API that it has.
func Identify(ctx context.Context, s *identify.Server) (identify.Match, bool) {
	greeting := s.Get(ctx, "/lmstudio-greeting")
	text := strings.ToLower(wire.ErrorText(greeting.Body))
	switch {
	case strings.Contains(text, "lm studio api token"):
		return identify.Match{Locked: true}, true
	case string(greeting.Object()["lmstudio"]) == "true", strings.Contains(text, "unexpected endpoint or method"):
		return version(ctx, s), true
	}
	// Servers that copy LM Studio's API may not have its greeting.
	models := s.Object(ctx, "/api/v1/models")["models"]
	if identify.IsList(models) && strings.Contains(string(models), `"loaded_instances"`) {
		return identify.Match{Version: "0.4+"}, true
	}
	return identify.Match{}, false
}

func version(ctx context.Context, s *identify.Server) identify.Match {
	list := s.Object(ctx, "/api/v1/models")
	switch {
	case s.Locked():
		return identify.Match{Locked: true}
	case identify.IsList(list["models"]):
		return identify.Match{Version: "0.4+"}
	case identify.IsList(s.Object(ctx, "/api/v0/models")["data"]):
		return identify.Match{Version: "0.3"}
	}
	return identify.Match{}
}
