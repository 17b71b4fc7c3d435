package route

import "time"

// fit is how well a node answers for the model that was asked for.
type fit int

const (
	// unfit: it doesn't have it, and nothing of its own will do.
	unfit fit = iota
	// standIn: it answers with another model.
	standIn
	// exact: it has the model.
	exact
)

// candidate is what the choice needs to know of a node.
type candidate struct {
	fit      fit
	serves   bool
	tried    bool // this request was there already
	doubted  bool // others are to be asked first
	full     bool // it has as many requests as it may get
	mine     bool // the conversation was there before
	underWay int
	share    float64 // of new conversations that it gets, 0 to 1
}

// Why there is no node for a request.
type reason int

const (
	chosen   reason = iota
	noneFits        // no node ever will
	noneServes
	allFull
	allTried
)

// choose returns the place of the node for a request. roll, from 0 to 1, is
// the luck by which a node that came back gets a part of what is new.
func choose(p Policy, list []candidate, roll float64) (int, reason) {
	why := noneFits
	for _, c := range list {
		switch {
		case c.fit == unfit:
		case !c.serves:
			why = max(why, noneServes)
		case c.tried:
			why = allTried
		}
	}
	// Who is trusted comes before who has the very model: a client wants an
	// answer.
	for _, doubted := range []bool{false, true} {
		for _, f := range []fit{exact, standIn} {
			in := func(c candidate) bool {
				return c.serves && !c.tried && c.fit == f && c.doubted == doubted
			}
			found, at := false, -1
			for i, c := range list {
				if !in(c) {
					continue
				}
				found = true
				if c.full {
					continue
				}
				if c.mine && p == Sticky {
					return i, chosen
				}
				if at < 0 || p.better(c, list[at], roll) {
					at = i
				}
			}
			if at >= 0 {
				return at, chosen
			}
			if found {
				return -1, allFull
			}
		}
	}
	return -1, why
}

// better reports whether a request should rather go to a than to b, which
// comes before it in order.
func (p Policy) better(a, b candidate, roll float64) bool {
	if aGets, bGets := a.share > roll, b.share > roll; aGets != bGets {
		return aGets
	}
	return p != Fallback && a.underWay < b.underWay
}

// leastShare is what a node gets that came back this moment.
const leastShare = 0.1

// share is the part of the new conversations that a node gets which came back
// into the route at since (zero: it was never out of it).
func share(since, now time.Time, slowStart time.Duration) float64 {
	if since.IsZero() || slowStart <= 0 {
		return 1
	}
	return min(leastShare+float64(now.Sub(since))/float64(slowStart), 1)
}
