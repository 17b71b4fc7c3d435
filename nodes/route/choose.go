package route

import "time"

// Fit is how well a node can answer for the model that was asked for.
type Fit int

const (
	// Unfit: the node can't answer.
	Unfit Fit = iota
	// StandIn: it answers with another model.
	StandIn
	// Exact: it has the model.
	Exact
)

// candidate is a node as the choice sees it.
type candidate struct {
	node     string
	fit      Fit
	serves   bool
	tried    bool // by this request
	ejected  bool // other nodes come first
	paused   bool // it asked for a pause
	full     bool // it has as many requests as it may get
	previous bool // the conversation's last request went to it
	inFlight int
	share    float64 // of new conversations that it gets, 0 to 1
}

// Reason says why there is no node for a request.
type Reason int

// The reasons, in the order in which they are preferred.
const (
	chosen Reason = iota
	// NoneFits: no node can answer, now or later.
	NoneFits
	// NoneServes: the nodes that can answer are out of the route.
	NoneServes
	// AllFull: the best nodes that can answer have no room.
	AllFull
	// AllPaused: the nodes that can answer asked for a pause.
	AllPaused
	// AllTried: the request was on all nodes that can answer.
	AllTried
)

// String returns the reason in words.
func (r Reason) String() string {
	switch r {
	case NoneFits:
		return "no node can answer"
	case NoneServes:
		return "no node that can answer is in service"
	case AllFull:
		return "all nodes that can answer are full"
	case AllPaused:
		return "all nodes that can answer asked for a pause"
	case AllTried:
		return "all nodes that can answer were tried"
	}
	return "chosen"
}

// selection is scratch space of choose: the candidates that a policy selects
// from, and their places.
type selection struct {
	candidates []Candidate
	places     []int
}

// choose returns the place of the node for a request, or -1 and the reason why
// there is none. roll is a random number in [0, 1): a node in slow start is
// warming unless its share exceeds it.
//
// Nodes that are not ejected come before those that are, and among these an
// exact fit before a stand-in: an answer by another model is better than none.
// Where all nodes of the first rank are full, the request waits for them.
func choose(p Policy, list []candidate, roll float64, s *selection) (int, Reason) {
	for _, ejected := range []bool{false, true} {
		for _, fit := range []Fit{Exact, StandIn} {
			s.candidates, s.places = s.candidates[:0], s.places[:0]
			full := false
			for i, c := range list {
				if !c.serves || c.tried || c.paused || c.fit != fit || c.ejected != ejected {
					continue
				}
				if c.full {
					full = true
					continue
				}
				s.places = append(s.places, i)
				s.candidates = append(s.candidates, Candidate{
					Node: c.node, InFlight: c.inFlight, Warming: c.share <= roll, Previous: c.previous,
				})
			}
			if len(s.places) > 0 {
				at := p.Select(s.candidates)
				if at < 0 || at >= len(s.places) {
					at = 0
				}
				return s.places[at], chosen
			}
			if full {
				return -1, AllFull
			}
		}
	}
	return -1, unavailable(list)
}

// unavailable returns the reason why no node of the list may be selected.
func unavailable(list []candidate) Reason {
	why := NoneFits
	for _, c := range list {
		if c.fit == Unfit {
			continue
		}
		if !c.serves {
			why = max(why, NoneServes)
		} else if c.tried {
			why = AllTried
		} else if c.paused {
			why = max(why, AllPaused)
		}
	}
	return why
}

// initialShare is the share of a node that has just re-entered the route.
const initialShare = 0.1

// share returns the fraction of new conversations for a node in slow start,
// which grows linearly over window. reentered is when the node re-entered the
// route; zero means that it never left, and gives 1.
func share(reentered, now time.Time, window time.Duration) float64 {
	if reentered.IsZero() || window <= 0 {
		return 1
	}
	return min(initialShare+float64(now.Sub(reentered))/float64(window), 1)
}
