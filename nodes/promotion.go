package nodes

import "time"

// Promotion is a model that won a tournament on a node.
type Promotion struct {
	// Model is the winner.
	Model Model
	// Previous is the model that served before. It is loaded again if Model is
	// worse in service than it was in its tournament.
	Previous Model
	// Run is the ID of the winner's run, "" for none.
	Run string
	// FirstToken is the median time to the first token in the tournament. 0 is
	// unknown, and then the time is not watched.
	FirstToken time.Duration
	// ErrorRate is the share of tests in the tournament that got no answer, 0
	// to 1.
	ErrorRate float64
	// Watch is the number of real answers to watch. 0 means the default of the
	// healer, a negative number none.
	Watch int
}
