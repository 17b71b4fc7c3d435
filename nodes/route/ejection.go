package route

import "time"

const (
	// baseEjection is the ejection time after one failure, maxEjection the
	// longest one.
	baseEjection = time.Second
	maxEjection  = time.Minute
)

// ejection is the passive health state of a node (outlier ejection). After a
// failed request other nodes are preferred, for 1 s doubling to 1 min, until a
// probe passes, a token arrives, or the time is over and one request at a time
// is let through.
type ejection struct {
	failures  int // in a row
	until     time.Time
	busyUntil time.Time // the node asked for a pause until then, and gets no request
}

// eject returns the ejection after one more failure. Failures during an
// ejection count as one with the failure that began it.
func (e ejection) eject(now time.Time) ejection {
	if now.Before(e.until) {
		return e
	}
	e.failures++
	e.until = now.Add(min(baseEjection<<min(e.failures-1, 10), maxEjection))
	return e
}

// over returns the ejection after its end. A pause that the node asked for goes
// on.
func (e ejection) over() ejection { return ejection{busyUntil: e.busyUntil} }

// active reports whether other nodes are preferred. After the ejection time a
// node without a request in flight gets one.
func (e ejection) active(now time.Time, inFlight int) bool {
	return e.failures > 0 && (now.Before(e.until) || inFlight > 0)
}
