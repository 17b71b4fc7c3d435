package healer

import (
	"time"

	"github.com/turbone/jarvis/nodes"
)

// Cause is the fault of a node.
type Cause string

// The causes. An empty one means that nothing is wrong.
const (
	CauseServerDown    Cause = "server down"
	CauseServerHung    Cause = "server hung"
	CauseModelMissing  Cause = "model missing"
	CauseDrift         Cause = "drift"
	CauseWedged        Cause = "wedged"
	CauseErroring      Cause = "erroring"
	CauseBadModel      Cause = "bad model"
	CauseUnloadStuck   Cause = "unload stuck"
	CausePlacement     Cause = "on the CPU"
	CauseLostTrial     Cause = "lost its trial"
	CauseMisconfigured Cause = "misconfigured"
	CauseBusy          Cause = "busy"
)

// stillAnswers reports whether clients still get answers from a node with this
// fault, which its repair would take away.
func (c Cause) stillAnswers() bool {
	return c == CauseDrift || c == CauseBadModel || c == CausePlacement || c == CauseLostTrial
}

// Found names what a check showed.
type Found string

// What a check showed.
const (
	// FoundFault: the request ended in Fault, with the words of Detail.
	FoundFault Found = "fault"
	// FoundRequestFailed: a client's request ended in Fault.
	FoundRequestFailed Found = "request failed"
	// FoundSilent: the server accepts connections, and answers no probe.
	FoundSilent Found = "silent"
	// FoundNoAnswer: probes are answered, questions are not.
	FoundNoAnswer Found = "no answer"
	// FoundOtherAnswers: no answer in time, while those of real requests came.
	FoundOtherAnswers Found = "answers others"
	// FoundBusyTooLong: busy for Lasted without a token; Of is what was seen last.
	FoundBusyTooLong Found = "busy too long"
	// FoundWrongAnswers: Right of Asked answers were right.
	FoundWrongAnswers Found = "wrong answers"
	// FoundStopping: the unloading of Model has taken Lasted.
	FoundStopping Found = "stopping"
	// FoundUnloading and FoundLoading: Model is on its way.
	FoundUnloading Found = "unloading"
	FoundLoading   Found = "loading"
	// FoundNothingConfigured: no model is loaded, and none is configured.
	FoundNothingConfigured Found = "nothing configured"
	// FoundNotLoaded: Model is not loaded.
	FoundNotLoaded Found = "not loaded"
	// FoundNotOffered: Model is not among Loaded, the models that are offered.
	FoundNotOffered Found = "not offered"
	// FoundOtherLoaded: Loaded are loaded in place of Model.
	FoundOtherLoaded Found = "other loaded"
	// FoundOtherSettings: Model runs with Settings other than asked for.
	FoundOtherSettings Found = "other settings"
	// FoundLessOnGPU: only Share of Model is on the GPU, and ShareBefore was.
	FoundLessOnGPU Found = "less on the GPU"
	// FoundErrorsInTrial and FoundSlowInTrial: Trial shows too many failed
	// answers, or too slow ones.
	FoundErrorsInTrial Found = "errors in trial"
	FoundSlowInTrial   Found = "slow in trial"
	// FoundTrialPassed: Trial is as good as the tournament.
	FoundTrialPassed Found = "trial passed"
)

// Evidence is what a check asked of a node and what it showed. Which fields are
// set depends on Found.
type Evidence struct {
	// Asked is what was done: "probe", "canary", "questions", "traffic" for a
	// real request, "ensure" for a load, "restart".
	Asked string `json:"asked,omitempty"`
	Found Found  `json:"found"`
	// Fault and Detail are the class and the words of an error.
	Fault  nodes.Fault `json:"fault,omitempty"`
	Detail string      `json:"detail,omitempty"`
	// Model is the model that was meant, Loaded are those that were there.
	Model    string         `json:"model,omitempty"`
	Loaded   []string       `json:"loaded,omitempty"`
	Settings []SettingDiff  `json:"settings,omitempty"`
	Right    int            `json:"right,omitempty"`
	Graded   int            `json:"graded,omitempty"`
	Lasted   time.Duration  `json:"lasted_ns,omitempty"`
	Of       *Evidence      `json:"of,omitempty"`
	Trial    *TrialEvidence `json:"trial,omitempty"`
	// Share is how much of the model is on the GPU, 0 to 1, ShareBefore how
	// much was when it was last known good.
	Share       float64 `json:"share,omitempty"`
	ShareBefore float64 `json:"share_before,omitempty"`
}

// SettingDiff is a load setting that is not as asked for.
type SettingDiff struct {
	Name   string `json:"name"`
	Is     any    `json:"is"`
	Wanted any    `json:"wanted"`
}

// TrialEvidence holds the figures of a trial.
type TrialEvidence struct {
	Answers int `json:"answers"`
	Failed  int `json:"failed"`
	// ErrorRate is that of the tournament.
	ErrorRate float64 `json:"error_rate"`
	// FirstToken is the median time to the first token, Usual what was
	// expected.
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	Usual      time.Duration `json:"usual_first_token_ns,omitempty"`
}

// DegradationKind is a way in which a node that serves got worse.
type DegradationKind string

// The degradations, in the order in which they are told.
const (
	// DegradedHeld: it needs a repair, and no other node serves.
	DegradedHeld DegradationKind = "held"
	// DegradedRegression: the history says so, with the reason in Detail.
	DegradedRegression DegradationKind = "regression"
	// DegradedPlacement: part of the model runs on the CPU.
	DegradedPlacement DegradationKind = "placement"
	// DegradedGone: the model's file is gone from the disk.
	DegradedGone DegradationKind = "gone"
	// DegradedSettings: it runs with other settings than were asked for.
	DegradedSettings DegradationKind = "settings"
)

// Degradation is one reason for which a node that serves is degraded.
type Degradation struct {
	Kind     DegradationKind `json:"kind"`
	Cause    Cause           `json:"cause,omitempty"`
	Model    string          `json:"model,omitempty"`
	Evidence *Evidence       `json:"evidence,omitempty"`
	Detail   string          `json:"detail,omitempty"`
}

// finding is a diagnosis with its evidence.
type finding struct {
	cause    Cause
	evidence Evidence
}
