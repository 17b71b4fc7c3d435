package generate_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/generate"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, generate.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, generate.Codec{}) }
