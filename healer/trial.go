package healer

import "time"

// Trial watches the first real answers of a promoted model.
type Trial struct {
	// Since is when it was promoted; requests that began before don't count.
	Since time.Time `json:"since"`
	// FirstToken and ErrorRate are what was measured, see [Promotion].
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	ErrorRate  float64       `json:"error_rate,omitempty"`
	// Watch is how many answers are watched.
	Watch int `json:"watch"`
}
