package scoring

// Verdict is what the evidence of a tournament says at one look at it.
type Verdict string

// The verdicts.
const (
	// Continue: the evidence decides nothing yet, and more tests are allowed.
	Continue Verdict = "continue"
	// Promote: the candidate is better.
	Promote Verdict = "promote"
	// Retain: the candidate is not better by as much as is worth a change.
	Retain Verdict = "retain"
	// Inconclusive: all tests are used, and nothing is decided. The champion
	// stays.
	Inconclusive Verdict = "inconclusive"
)

// Plan is how a candidate is compared with a champion. It is chosen before the
// first test.
type Plan struct {
	// Cap is how many tests of the candidate there may be: 80, 200 or 400.
	Cap int
	// Strict asks whether the candidate is better on tasks like these, not on
	// these: only the variation between tasks counts.
	Strict bool
	// Worth is the gap that is worth a change; 0 means 0.5.
	Worth float64
	// Weights are the composite's; the zero value means [Default].
	Weights Composite
}

// Evidence is what is known of both models.
type Evidence struct {
	// Champion and Candidate are this session's tests, in the order in which
	// they were made.
	Champion, Candidate []Test
	// History are the champion's own earlier comparable runs since it was
	// crowned, without the run that crowned it.
	History [][]Test
	// Interleaved: the champion was measured before and after the candidate.
	Interleaved bool
}

// Look is the evidence, judged at one moment.
type Look struct {
	Verdict Verdict
	// Tests is how many tests of the candidate were seen, Tasks on how many
	// tasks both were measured.
	Tests, Tasks int
	// Estimate is the gap, candidate less champion, in points of the
	// composite; Error its standard error; Low and High its interval, which
	// holds at all looks together.
	Estimate, Error, Low, High float64
	// OtherLow and OtherHigh are the interval on other tasks like these.
	OtherLow, OtherHigh float64
	// Z is the evidence for a promotion, Upper the bound that it must reach;
	// Futility the evidence that the gap is below Worth, Lower its bound.
	Z, Upper, Futility, Lower float64
	// Rerun says that the error is that of a rerun on these tasks, which needs
	// the champion's history; else it is that between tasks.
	Rerun bool
	// Guards are the guard rails that forbid a promotion, in words.
	Guards []string
	// More is about how many more tests would settle it, 0 where it is settled
	// or can't be told.
	More int
	// Smallest is the smallest gap that could be found at the cap.
	Smallest float64
}
