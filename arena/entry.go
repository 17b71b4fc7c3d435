package arena

import "github.com/turbone/jarvis/scoring"

// entry is one thing that happened in a session, and one line of its journal.
// Exactly one field is set.
type entry struct {
	Session  *session       `json:"session,omitempty"`
	Test     *testEntry     `json:"test,omitempty"`
	Look     *scoring.Look  `json:"look,omitempty"`
	Confirm  *scoring.Look  `json:"confirm,omitempty"`
	Unsteady *unsteadyEntry `json:"unsteady,omitempty"`
	// Failure is why the candidate, or the whole field, is out.
	Failure string `json:"failure,omitempty"`
	// Out drops one candidate of the field, Chosen is the index of the best.
	Out    *outEntry `json:"out,omitempty"`
	Chosen *int      `json:"chosen,omitempty"`
	// Again takes back the latest tests of a block, which are asked anew.
	Again *againEntry `json:"again,omitempty"`
	// Restored says that the node serves again what it served before.
	Restored bool `json:"restored,omitempty"`

	// Those below are true of this process's work on the node and go into no
	// journal. Loaded are the tests whose model was loaded, Checked is the
	// answer to a check, Lost the tests whose model can't go on.
	Loaded  *batch      `json:"-"`
	Checked *checkEntry `json:"-"`
	Lost    *lostEntry  `json:"-"`
}

// transient reports whether the entry goes into no journal.
func (e entry) transient() bool { return e.Loaded != nil || e.Checked != nil || e.Lost != nil }

type testEntry struct {
	Block block `json:"block"`
	Index int   `json:"index,omitempty"`
	scoring.Test
}

type outEntry struct {
	Index int    `json:"index"`
	Why   string `json:"why"`
}

// againEntry are tests of a block that got no answer because the server gave none.
type againEntry struct {
	Block block `json:"block"`
	Index int   `json:"index,omitempty"`
	Tests int   `json:"tests"`
}

type unsteadyEntry struct {
	Role Role   `json:"role"`
	Why  string `json:"why"`
}

// checkEntry says whether the model is loaded; Gone is why it is not.
type checkEntry struct{ Gone error }

type lostEntry struct {
	batch
	err error
}
