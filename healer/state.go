package healer

// State is where a node is in its life.
type State string

// The states of a node.
const (
	// Unknown: not looked at yet.
	Unknown State = "unknown"
	// Healthy: serves, as far as anybody can see.
	Healthy State = "healthy"
	// Suspect: one check failed; still in the route.
	Suspect State = "suspect"
	// Draining: out of the route; requests under way finish, and the repair
	// waits for its turn.
	Draining State = "draining"
	// Repairing: a repair is under way.
	Repairing State = "repairing"
	// Verifying: repaired, and being asked questions.
	Verifying State = "verifying"
	// RollingBack: the last known good model is being restored.
	RollingBack State = "rolling-back"
	// Degraded: serves, but got worse.
	Degraded State = "degraded"
	// Offline: given up on for now; still probed, and taken back by itself.
	Offline State = "offline"
	// Misconfigured: no repair can help: a wrong key, another engine.
	Misconfigured State = "misconfigured"
	// Maintenance: somebody holds the node's lease: hands off.
	Maintenance State = "maintenance"
)

// Serves reports whether a node in this state takes traffic.
func (s State) Serves() bool { return s == Healthy || s == Degraded || s == Suspect }

// UnderRepair reports whether the healer itself is working on a node.
func (s State) UnderRepair() bool {
	return s == Repairing || s == Verifying || s == RollingBack
}
