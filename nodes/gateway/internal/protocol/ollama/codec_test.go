package ollama_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/ollama"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, ollama.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, ollama.Codec{}) }
