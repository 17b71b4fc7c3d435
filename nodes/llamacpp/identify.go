package llamacpp

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/turbone/jarvis/nodes/internal/identify"
)

// Identify reports whether s is a llama-server, by its properties or by the
// words in which it refuses them.
func Identify(ctx context.Context, s *identify.Server) (identify.Match, bool) {
	answer := s.Get(ctx, "/props")
	props := answer.Object()
	if identify.Text(props["role"]) == "router" || props["build_info"] != nil || props["default_generation_settings"] != nil {
		return identify.Match{Version: identify.Text(props["build_info"])}, true
	}
	var refusal struct {
		Error struct {
			Type, Message string
			Code          int
		}
	}
	if json.Unmarshal(answer.Body, &refusal) != nil {
		return identify.Match{}, false
	}
	switch e := refusal.Error; {
	case e.Type == "authentication_error" && e.Code == http.StatusUnauthorized && e.Message == "Invalid API Key":
		return identify.Match{Locked: true}, true
	case e.Type == "unavailable_error" && e.Message == "Loading model":
		return identify.Match{}, true
	}
	return identify.Match{}, false
}
