package history

import (
	"encoding/json"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
	"github.com/turbone/jarvis/scoring"
)

// Champion is the model that won the last tournament, with the settings that it
// won with.
type Champion struct {
	// Model is the model's name on its node.
	Model string
	// Score is the composite of the crowning run, 0 to 10.
	Score float64
	// Since is when the model was crowned. A date without a time in the JSON is
	// midnight, local time.
	Since time.Time
	// Config are the settings of the model.
	Config map[string]any
	// Node is the node of the tournament, RunID the crowning run; "" if unknown.
	Node, RunID string
	// Extra are all other members of the JSON.
	Extra map[string]json.RawMessage

	// written is the JSON that the champion was read from, nil for none.
	written jsontext.Object
}

// MarshalJSON returns the JSON of the champion; members that were read and not
// changed are as they were read.
func (c Champion) MarshalJSON() ([]byte, error) {
	return marshal(c, c.written, new(Champion))
}

// UnmarshalJSON reads a champion.
func (c *Champion) UnmarshalJSON(text []byte) error {
	*c = Champion{}
	return unmarshal(c, text)
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
