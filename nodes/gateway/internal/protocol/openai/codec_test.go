package openai_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/openai"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, openai.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, openai.Codec{}) }
