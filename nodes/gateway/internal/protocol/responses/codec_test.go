package responses_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/responses"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, responses.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, responses.Codec{}) }
