package lmstudio_test

import (
	"testing"

	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/nodetest"
)

func TestConformance(t *testing.T) {
	const secret = "sk-lm-not00000:to-be-shown"
	for name, test := range map[string]struct {
		options nodetest.Options
		change  func(*nodetest.LMStudioSettings)
	}{
		"0.4":                     {},
		"0.4 with authentication": {options: nodetest.Options{Key: secret}},
		"0.4 that tells little, and twice": {change: func(s *nodetest.LMStudioSettings) {
			s.SparseFields, s.DuplicateKeys, s.NoV0, s.NoJIT = true, true, true, true
		}},
		"0.3 with authentication": {options: nodetest.Options{Version: "0.3.30", Key: secret}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodetest.Run(t, func(t *testing.T) nodetest.Subject {
				var change []func(*nodetest.LMStudioSettings)
				if test.change != nil {
					change = append(change, test.change)
				}
				fake, b := start(t, test.options, change...)
				return nodetest.Subject{
					Backend: b, Node: "M1", Key: nodes.NewSecret(test.options.Key), Model: good, Other: other, Faulty: fake,
				}
			})
		})
	}
}
