package route

import "time"

const (
	// leastDoubt is how long a node is left alone after a failed request,
	// mostDoubt how long after many in a row.
	leastDoubt = time.Second
	mostDoubt  = time.Minute
)

// doubt is what the requests of late say against a node. It keeps requests
// away while somebody else serves, until a check passes, a token flows, or the
// time has come to try one.
type doubt struct {
	failures int // in a row
	until    time.Time
	busy     time.Time // until then it asked to be left alone
}

// more is the doubt after one more failure. Requests that fail together count
// as one.
func (d doubt) more(now time.Time) doubt {
	if now.Before(d.until) {
		return d
	}
	d.failures++
	d.until = now.Add(min(leastDoubt<<min(d.failures-1, 10), mostDoubt))
	return d
}

// holds reports whether requests should go elsewhere. Once the time is over,
// one request at a time tries the node.
func (d doubt) holds(now time.Time, underWay int) bool {
	if now.Before(d.busy) {
		return true
	}
	return d.failures > 0 && (now.Before(d.until) || underWay > 0)
}
