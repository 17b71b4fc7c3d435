package config

import "github.com/turbone/jarvis/nodes/engines"

// engineNames lists the engines that a node can name.
func engineNames() []string { return engines.Names() }

// loadKeys returns the load settings that an engine knows; ok is false for an
// unknown engine.
func loadKeys(engine string) (keys []string, ok bool) {
	e, ok := engines.Lookup(engine)
	if !ok {
		return nil, false
	}
	return e.LoadKeys(), true
}
