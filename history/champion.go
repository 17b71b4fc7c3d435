package history

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
	"github.com/turbone/jarvis/scoring"
)

// Champion is the model that serves because it won, with the settings it won
// with.
type Champion struct {
	// Model is the model's name on its node.
	Model string
	// Score is the composite it was crowned with, 0 to 10.
	Score float64
	// Since is when it was crowned; a mere date means its midnight on this
	// machine.
	Since time.Time
	// Config are its settings.
	Config map[string]any
	// Node is where it won, RunID the run that crowned it; both may be unknown.
	Node, RunID string
	// Extra are all other members, as they stand.
	Extra map[string]json.RawMessage

	written jsontext.Object
}

// MarshalJSON writes the champion; what was read and not changed as it was read.
func (c Champion) MarshalJSON() ([]byte, error) {
	is, err := c.members()
	if err != nil {
		return nil, err
	}
	var was jsontext.Object
	if c.written != nil {
		var before Champion
		if err := before.read(c.written); err != nil {
			return nil, err
		}
		if was, err = before.members(); err != nil {
			return nil, err
		}
	}
	return jsontext.Merge(c.written, was, is)
}

// UnmarshalJSON reads a champion.
func (c *Champion) UnmarshalJSON(text []byte) error {
	*c = Champion{}
	written, err := jsontext.ParseObject(bytes.Clone(text))
	if err != nil {
		return err
	}
	return c.read(written)
}

func (c *Champion) read(written jsontext.Object) error {
	c.written = written
	return read(written, &c.Extra, map[string]func(json.RawMessage) error{
		"model":  into(&c.Model, text),
		"score":  into(&c.Score, float),
		"since":  into(&c.Since, parseTime),
		"config": into(&c.Config, settings),
		"node":   into(&c.Node, text),
		"run_id": into(&c.RunID, text),
	})
}

func (c Champion) members() (jsontext.Object, error) {
	w := writer{}
	w.put("model", c.Model)
	w.put("score", figure(scoring.Round(c.Score)))
	w.put("since", stamp(c.Since))
	w.put("config", orEmpty(c.Config))
	w.some("node", c.Node)
	w.some("run_id", c.RunID)
	w.extra(c.Extra)
	return w.object, w.err
}
