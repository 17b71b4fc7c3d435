package healer

import (
	"reflect"
	"slices"
	"time"

	"github.com/turbone/jarvis/nodes"
)

// nodeState is the state of one node in the core. It is a value: decide returns a
// changed copy.
type nodeState struct {
	traits
	kept persisted

	state State
	// served is true if the node has answered questions since it last left the
	// route. A Suspect that has not was never seen well, and does not serve.
	served       bool
	incident     incident
	degradations degradations
	snapshot     nodes.Snapshot // of the latest probe that got one
	last         moments
	healthySince time.Time // when it, or its model, last came into service
	standing     standing  // the model that is in service since then
	busySince    time.Time // zero while it is not busy
	lastError    string
	holder       string // of the lease, in Maintenance
	asked        string // digest of the file whose answers were last checked

	next     op       // what is under way or waits for its time
	check    bool     // somebody waits for the check under way
	takeover takeover // of what other processes changed
	rerun    rerun    // what the latest alarm asks for, until it begins
	told     told     // what the route was told last
}

// moments are the times of the latest events of their kinds.
type moments struct {
	probed     time.Time // a probe began
	checked    time.Time // a check ended
	passed     time.Time // a check passed
	answered   time.Time // a token came, asked for or real
	questioned time.Time // the mini-benchmark passed
	accused    time.Time // a failed request made the node suspect
}

// standing is the model that a node has had in service.
type standing struct{ name, digest string }

// takeover counts what other processes changed of what is kept.
type takeover struct {
	revision int
	unasked  bool // another process chose the model, and it was not asked since
}

// told is what the route knows of a node.
type told struct {
	serves bool
	model  string
	sleeps bool
}

// traits are the properties of a node that do not change while the healer runs.
type traits struct {
	name       string
	wanted     nodes.Model // the config's
	canLoad    bool
	canRestart bool
	onDemand   bool
	same       func(a, b string) bool
	canonical  func(model string) string
}

// persisted is the part of a node's state that survives a restart of the healer.
type persisted struct {
	// LastKnownGood is the latest model that was verified and then stayed
	// healthy.
	LastKnownGood *nodes.Model `json:"last_known_good,omitempty"`
	// VRAMShare is the share of it that was on the GPU then; 0 means unknown.
	VRAMShare float64 `json:"vram_share,omitempty"`
	// Attempts counts the repairs since the node was last settled, NextRepair
	// is the earliest time of the next.
	Attempts   int       `json:"attempts,omitempty"`
	NextRepair time.Time `json:"next_repair,omitzero"`
	// Override is the model that serves in place of the config's.
	Override *Override `json:"override,omitempty"`
	// Trial watches the first real answers of a promoted model.
	Trial *Trial `json:"trial,omitempty"`
	// Restore is the model that must be on the node again when the holder of its
	// lease is gone.
	Restore *Note `json:"restore,omitempty"`
	// Undone is the run that won the latest promotion that was rolled back.
	Undone string `json:"undone,omitempty"`
	// Alarm is the latest alarm of the history that was told. Asked is the latest
	// rerun that was begun, and its alarm.
	Alarm string `json:"alarm,omitempty"`
	Asked string `json:"asked,omitempty"`
	// Paused keeps repairs from being started; its Node is empty.
	Paused *Pause `json:"paused,omitempty"`
}

func (k persisted) empty() bool { return reflect.DeepEqual(k, persisted{}) }

// Override is a model that serves in place of the config's. It holds only
// while the config still asks for what it replaced, so that a config edited
// later wins.
type Override struct {
	nodes.Model
	// Why is one of the Override reasons.
	Why string `json:"why"`
	// Replaces is the config's model at the time.
	Replaces nodes.Model `json:"replaces"`
	// Rejected is the model that could not be verified, where Why is
	// OverrideRolledBack: with another file it gets another chance.
	Rejected *nodes.Model `json:"rejected,omitempty"`
	// Previous is what served before, and Run the run that won, where Why is
	// OverridePromoted.
	Previous *nodes.Model `json:"previous,omitempty"`
	Run      string       `json:"run,omitempty"`
	// Told is true if an event told of it.
	Told bool `json:"told,omitempty"`
}

// The reasons for which a model serves in place of the config's.
const (
	OverridePromoted   = "promoted"
	OverrideAdopted    = "adopted"
	OverrideRolledBack = "rolled back"
)

// degradations are the reasons for which a node that serves is degraded; nil
// means that it is not for that one.
type degradations struct {
	held       *Degradation
	regression *Degradation
	placement  *Degradation
	gone       *Degradation
	settings   *Degradation
}

// list returns those that hold, in the order in which they are told.
func (d degradations) list() []Degradation {
	var list []Degradation
	for _, one := range []*Degradation{d.held, d.regression, d.placement, d.gone, d.settings} {
		if one != nil {
			list = append(list, *one)
		}
	}
	return list
}

// incident is a fault from the first failed check to its end.
type incident struct {
	cause    Cause
	evidence Evidence
	began    time.Time
	check    kind // which check failed, and must pass
	step     int  // next rung of the ladder
	attempts int  // repairs of this incident
	again    bool // it was given up on before: one repair at a time
	failed   int  // failed verifications in a row
	told     bool // offline was told
	served   bool // it was in service until its second failed check
	target   nodes.Model
	rejected nodes.Model  // what is being rolled back from
	back     *nodes.Model // what is being rolled back to
	previous *nodes.Model // what was loaded, and answered, before the repair
	paused   bool         // its repair was not begun, because repairs are paused
	await    time.Time    // until when a restarted server may be silent
	busy     time.Time    // since when its verification is put off for busy
}

// is sets a new diagnosis; another cause starts its own ladder.
func (i *incident) is(f finding) {
	if i.cause != f.cause {
		i.step = 0
	}
	i.cause, i.evidence = f.cause, f.evidence
}

func (n *nodeState) serves() bool { return n.served && n.state.Serves() }

// undecided reports whether the node may serve in a moment: not looked at yet,
// or under repair.
func (n *nodeState) undecided() bool {
	return n.state == Unknown || n.state == Suspect && !n.served || n.state == Draining || n.state.UnderRepair()
}

// meant returns the model that the node is meant to serve, as chosen by a
// promotion, a note or the config.
func (n *nodeState) meant() nodes.Model {
	switch k := n.kept; {
	case k.Override != nil:
		return k.Override.Model
	case n.wanted.Name == "" && k.Restore != nil:
		return k.Restore.Model
	}
	return n.wanted
}

// goal returns the model that the node should serve now. An empty name means any
// model that is loaded.
func (n *nodeState) goal() nodes.Model {
	m := n.meant()
	if m.Name == "" && len(n.snapshot.Loaded) == 0 && n.kept.LastKnownGood != nil {
		return *n.kept.LastKnownGood
	}
	return m
}

// target returns the model that a repair loads: the goal or, if any model will do,
// the one that is loaded. Its name is empty if neither is known.
func (n *nodeState) target() nodes.Model {
	if goal := n.goal(); goal.Name != "" {
		return goal
	}
	m, _ := n.inService()
	return m
}

// loaded returns the instance that serves the goal, nil where there is none.
func (n *nodeState) loaded(s nodes.Snapshot) *nodes.Instance {
	goal := n.goal()
	for i, inst := range s.Loaded {
		if goal.Name == "" || n.same(inst.Model, goal.Name) {
			return &s.Loaded[i]
		}
	}
	return nil
}

// copies counts the instances of the goal.
func (n *nodeState) copies(s nodes.Snapshot) int {
	count := 0
	for _, inst := range s.Loaded {
		if goal := n.goal(); goal.Name != "" && n.same(inst.Model, goal.Name) && !inst.Stopping {
			count++
		}
	}
	return count
}

// file returns the file on disk under the model's name.
func (n *nodeState) file(s nodes.Snapshot, model string) (nodes.File, bool) {
	i := slices.IndexFunc(s.OnDisk, func(f nodes.File) bool { return n.same(f.Name, model) })
	if i < 0 {
		return nodes.File{}, false
	}
	return s.OnDisk[i], true
}

// inService returns the model that serves, with the digest of the one in memory.
func (n *nodeState) inService() (nodes.Model, bool) {
	inst := n.loaded(n.snapshot)
	if inst == nil {
		return nodes.Model{}, false
	}
	m := n.goal()
	if m.Name == "" {
		m = nodes.Model{Name: inst.Model, Settings: n.wanted.Settings}
	}
	m.Digest = inst.Digest
	if m.Digest == "" {
		f, _ := n.file(n.snapshot, m.Name)
		m.Digest = f.Digest
	}
	return m, true
}

// otherSettings returns the evidence of settings that differ from those asked
// for, nil where none does. It is told and not repaired: mostly another client
// asks with settings of its own, and a reload would be the next round of a fight
// between the two.
func (n *nodeState) otherSettings(inst *nodes.Instance) *Evidence {
	if inst == nil {
		return nil
	}
	var list []SettingDiff
	wanted := n.goal().Settings
	for _, name := range wanted.Unmet(inst.Settings) {
		list = append(list, SettingDiff{name, inst.Settings[name], wanted[name]})
	}
	if len(list) == 0 {
		return nil
	}
	return &Evidence{Asked: string(opProbe), Found: FoundOtherSettings, Model: inst.Model, Settings: list}
}

// rollbackTarget returns the model that replaces the one that failed: the last
// known good, else the one that answered before the repair. A model does not
// replace itself, unless the failed one is another file under its name and the
// good file is still on disk under another name.
func (n *nodeState) rollbackTarget() (nodes.Model, bool) {
	if !n.canLoad || n.snapshot.ReadOnly {
		return nodes.Model{}, false
	}
	failed := n.incident.target
	list := []*nodes.Model{n.kept.LastKnownGood, n.incident.previous}
	if o := n.kept.Override; o != nil && o.Why == OverridePromoted {
		list = []*nodes.Model{o.Previous, n.kept.LastKnownGood, n.incident.previous}
		if good := n.kept.LastKnownGood; good != nil && n.same(good.Name, o.Name) {
			list[0], list[1] = list[1], list[0] // another file of the promoted model itself
		}
	}
	for _, m := range list {
		if m == nil || m.Name == "" {
			continue
		}
		onDisk, known := n.file(n.snapshot, m.Name)
		changed := m.Digest != "" && onDisk.Digest != "" && m.Digest != onDisk.Digest
		switch {
		case changed:
			for _, f := range n.snapshot.OnDisk {
				if f.Digest == m.Digest {
					return nodes.Model{Name: f.Name, Settings: m.Settings, Digest: f.Digest}, true
				}
			}
		case n.snapshot.OnDisk != nil && !known:
			// Gone from disk: no way back.
		case !n.same(m.Name, failed.Name) || len(m.Settings.Diff(failed.Settings)) > 0:
			return *m, true
		}
	}
	return nodes.Model{}, false
}
