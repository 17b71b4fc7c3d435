package nodes

import "time"

// Promotion is a model that won a tournament on a node.
type Promotion struct {
	// Model won, Previous served before, and comes back if Model turns out to
	// be worse in service than it was in its tournament.
	Model, Previous Model
	// Run is the ID of the run that won, "" for none.
	Run string
	// FirstToken is the median time to the first token as measured; 0 is
	// unknown, and then it is not watched. ErrorRate is the share of tests, 0
	// to 1, that got no answer.
	FirstToken time.Duration
	ErrorRate  float64
	// Watch is how many real answers are watched; 0 means the keeper's default,
	// less than 0 none.
	Watch int
}
