package anthropic_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/anthropic"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, anthropic.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, anthropic.Codec{}) }
