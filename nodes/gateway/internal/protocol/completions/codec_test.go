package completions_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/completions"
	"github.com/turbone/jarvis/nodes/gateway/internal/protocol/protocoltest"
)

func TestConformance(t *testing.T) { protocoltest.Conform(t, completions.Codec{}) }

func TestTranscripts(t *testing.T) { protocoltest.Transcripts(t, completions.Codec{}) }
