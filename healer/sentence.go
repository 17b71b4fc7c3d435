package healer

import (
	"fmt"
	"strings"

	"github.com/turbone/jarvis/internal/duration"
)

// Rule identifies the rule that made an event.
type Rule string

// The rules.
const (
	RuleFirstAnswer    Rule = "first-answer"     // a node answers for the first time since the start
	RuleAsleep         Rule = "asleep"           // a node's model sleeps at the start; the node serves
	RuleCheckFailed    Rule = "check-failed"     // the first failed check makes a node suspect
	RuleRequestFailed  Rule = "request-failed"   // a failed real request makes a node suspect
	RuleConfirmed      Rule = "confirmed"        // the second failed check takes a node out of the route
	RuleHeld           Rule = "held"             // a node that still answers is not repaired while no other serves
	RuleBusy           Rule = "busy"             // a busy node is asked again later
	RuleRecovered      Rule = "recovered"        // a node is well again without a repair
	RuleReturned       Rule = "returned"         // a node that was given up on answers again
	RuleDegraded       Rule = "degraded"         // a node that serves got worse
	RuleNotDegraded    Rule = "not-degraded"     // it no longer is
	RuleMisconfigured  Rule = "misconfigured"    // no repair can help
	RuleAdopted        Rule = "adopted"          // what is loaded becomes what is wanted
	RuleTrim           Rule = "trim"             // a second instance is unloaded, in service
	RuleLoad           Rule = "load"             // repair: load
	RuleReload         Rule = "reload"           // repair: unload and load
	RuleRestart        Rule = "restart"          // repair: restart the server
	RuleRestartEnded   Rule = "restart-ended"    // the restart command's output
	RuleRepairFailed   Rule = "repair-failed"    // a repair ended in an error
	RuleVerifyFailed   Rule = "verify-failed"    // the questions after a repair were not answered right
	RuleVerified       Rule = "verified"         // they were
	RuleHealed         Rule = "healed"           // a repair ended the incident
	RuleHealedByBack   Rule = "healed-rollback"  // a rollback ended the incident
	RuleRollback       Rule = "rollback"         // the last known good model is restored
	RuleNoRemedy       Rule = "no-remedy"        // offline: no repair is possible from here
	RuleRepairsPaused  Rule = "repairs-paused"   // offline: repairs are paused
	RuleRollbackFailed Rule = "rollback-failed"  // offline: the rollback failed
	RuleExhausted      Rule = "exhausted"        // offline: no repair helped
	RuleFutile         Rule = "futile"           // offline: the repair's error says that another can't help
	RuleGoodIsBad      Rule = "good-model-wrong" // offline: the last known good model is no better
	RuleNoWayBack      Rule = "no-way-back"      // offline: wrong answers, and no other model
	RuleLeased         Rule = "leased"           // somebody took the node's lease
	RuleLeaseFree      Rule = "lease-free"       // the lease is free again
	RuleFailover       Rule = "failover"         // another node takes the traffic
	RuleFirstServing   Rule = "first-serving"    // the first node takes the traffic
	RuleServiceBack    Rule = "service-back"     // a node serves after none did
	RuleNoneServes     Rule = "none-serves"      // no node serves
	RulePromoted       Rule = "promoted"         // a tournament's winner is what the node serves
	RuleConfigWins     Rule = "config-wins"      // a promotion is dropped: the config asks for another model
	RuleTrialPassed    Rule = "trial-passed"     // a promoted model is as good as in its tournament
	RuleTrialRollback  Rule = "trial-rollback"   // a promoted model lost its trial and is replaced
	RuleTrialNoWayBack Rule = "trial-no-way-back"
	RuleRegression     Rule = "regression"        // the history judges that the node got worse
	RuleConfirmRun     Rule = "confirm-run"       // a second measurement begins
	RuleTournament     Rule = "rerun-tournament"  // a tournament begins
	RuleRerunFailed    Rule = "rerun-failed"      // either ended in an error
	RulePaused         Rule = "paused"            // repairs are paused
	RuleResumed        Rule = "resumed"           // repairs are resumed
	RuleStateWarning   Rule = "state-file"        // the state file could not be used as it should
	RuleLeaseWarning   Rule = "lease-unavailable" // the leases could not be asked
)

// Text returns the event as a sentence, without the node's name. It is one switch
// with a case for each rule, so that the words stand together.
func (e Event) Text() string {
	if e.text != "" {
		return e.text
	}
	seen := e.Evidence.String()
	switch e.Rule {
	case RuleFirstAnswer:
		return fmt.Sprintf("healthy: %s answers", orServer(e.Model))
	case RuleAsleep:
		return fmt.Sprintf("healthy: %s is asleep; the first request wakes it", orServer(e.Model))
	case RuleCheckFailed:
		return fmt.Sprintf("suspect: %s: %s", e.Cause, seen)
	case RuleRequestFailed:
		return "suspect: a request failed: " + seen
	case RuleConfirmed:
		return fmt.Sprintf("out of the route: %s: %s", e.Cause, seen)
	case RuleHeld:
		return fmt.Sprintf("%s: %s; not repaired, because no other node serves", e.Cause, seen)
	case RuleBusy:
		return "busy: " + seen
	case RuleRecovered:
		return fmt.Sprintf("recovered after %s without a repair", duration.Text(e.Took))
	case RuleReturned:
		return fmt.Sprintf("healed after %s: came back by itself, %s answers", duration.Text(e.Took), orServer(e.Model))
	case RuleDegraded:
		return "degraded: " + degradationsText(e.Degradations)
	case RuleNotDegraded:
		return "no longer degraded"
	case RuleMisconfigured:
		return "misconfigured: " + seen
	case RuleLeased:
		return fmt.Sprintf("leased by %s: hands off", e.Detail)
	case RuleLeaseFree:
		return "lease is free again"
	case RuleFailover:
		return "takes the traffic from " + e.From
	case RuleFirstServing:
		return "takes the traffic"
	case RuleServiceBack:
		return fmt.Sprintf("service is back after %s: %s takes the traffic", duration.Text(e.Took), e.To)
	case RuleNoneServes:
		return "no node serves"
	case RuleRegression:
		return "[REGRESSION] " + e.Detail
	case RuleConfirmRun:
		return "measuring again, to confirm: " + e.Detail
	case RuleTournament:
		return "holding a tournament against the last known good model: " + e.Detail
	case RulePaused:
		return pausedText(e)
	case RuleResumed:
		return "repairs are resumed"
	case RulePromoted, RuleConfigWins, RuleTrialPassed, RuleTrialRollback, RuleTrialNoWayBack:
		return promotionText(e, seen)
	}
	return repairText(e, seen)
}

// repairText is the sentence of a repair or rollback.
func repairText(e Event, seen string) string {
	switch e.Rule {
	case RuleAdopted:
		return fmt.Sprintf("adopting %s, which somebody loaded in place of %s", e.To, e.From)
	case RuleTrim:
		return fmt.Sprintf("%d instances of %s: unloading the extra ones", e.Count, e.Model)
	case RuleLoad:
		return fmt.Sprintf("%s: loading %s", e.Cause, e.Model)
	case RuleReload:
		return fmt.Sprintf("%s: unloading and loading %s", e.Cause, e.Model)
	case RuleRestart:
		return fmt.Sprintf("%s: restarting the server", e.Cause)
	case RuleRestartEnded:
		return "restart command ended: " + e.Detail
	case RuleRepairFailed:
		return "repair failed: " + e.Repair.String()
	case RuleVerifyFailed:
		return "verification failed: " + seen
	case RuleVerified:
		if e.Evidence == nil || e.Evidence.Graded == 0 {
			return "verified: it answers, too slowly for the answers to be graded"
		}
		return fmt.Sprintf("verified: %d of %d answers right", e.Evidence.Right, e.Evidence.Graded)
	case RuleHealed:
		return fmt.Sprintf("healed after %s: %s", duration.Text(e.Took), e.Cause)
	case RuleHealedByBack:
		return fmt.Sprintf("healed after %s by going back to %s", duration.Text(e.Took), e.To)
	case RuleRollback:
		return fmt.Sprintf("rolling back from %s to %s", e.From, e.To)
	case RuleNoRemedy, RuleRepairsPaused, RuleRollbackFailed, RuleExhausted, RuleFutile, RuleGoodIsBad, RuleNoWayBack:
		return fmt.Sprintf("offline: %s: %s; %s", e.Cause, seen, e.whyOffline())
	}
	return e.Detail
}

// whyOffline says why a node was given up on for now.
func (e Event) whyOffline() string {
	switch e.Rule {
	case RuleNoRemedy:
		return "nothing can be done about it from here"
	case RuleRepairsPaused:
		return "repairs are paused"
	case RuleRollbackFailed:
		return "the rollback failed too"
	case RuleGoodIsBad:
		return "the last known good model does not answer right either"
	case RuleNoWayBack:
		return "it answers wrong, and there is no other model to go back to"
	case RuleFutile:
		return e.Repair.String()
	}
	return "no repair helped"
}

// promotionText is the sentence of a promoted model.
func promotionText(e Event, seen string) string {
	switch e.Rule {
	case RuleConfigWins:
		return fmt.Sprintf("[PROMOTION] %s won in place of %s, and the config asks for %s: the config wins",
			e.Model, firstText(e.From, "whatever was loaded"), firstText(e.To, "whatever is loaded"))
	case RuleTrialPassed:
		return fmt.Sprintf("[PROMOTION] %s is as good as in its tournament: %s", e.Model, seen)
	case RuleTrialRollback:
		return fmt.Sprintf("[PROMOTION] %s is worse than in its tournament: %s: rolling back to %s", e.From, seen, e.To)
	case RuleTrialNoWayBack:
		return fmt.Sprintf("[PROMOTION] %s is worse than in its tournament: %s; there is no model to go back to", e.Model, seen)
	}
	text := "[PROMOTION] " + e.Model + " won its tournament, and is what this node serves from now on"
	if e.From != "" {
		text = fmt.Sprintf("[PROMOTION] %s won its tournament, and serves in place of %s", e.Model, e.From)
	}
	if e.Count > 0 {
		text += fmt.Sprintf("; its first %d answers are watched", e.Count)
	}
	return text
}

func pausedText(e Event) string {
	text := "repairs are paused"
	if !e.Until.IsZero() {
		text += " until " + e.Until.Format("2006-01-02 15:04:05")
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// String returns what the check showed, in words; "" for none.
func (v *Evidence) String() string {
	if v == nil {
		return ""
	}
	switch v.Found {
	case FoundFault:
		return firstText(v.Detail, string(v.Fault))
	case FoundRequestFailed:
		if v.Detail != "" {
			return string(v.Fault) + ": " + v.Detail
		}
		return string(v.Fault)
	case FoundSilent:
		return "accepts connections, answers nothing"
	case FoundNoAnswer:
		return "lists are answered, questions are not: " + firstText(v.Detail, string(v.Fault))
	case FoundOtherAnswers:
		return "no answer in time, but requests are being answered"
	case FoundBusyTooLong:
		return fmt.Sprintf("busy for %s without a token: %s", duration.Text(v.Lasted), v.Of)
	case FoundWrongAnswers:
		return fmt.Sprintf("%d of %d answers right", v.Right, v.Graded)
	case FoundStopping:
		return fmt.Sprintf("%s has been stopping for %s", v.Model, duration.Text(v.Lasted))
	case FoundUnloading:
		return v.Model + " is being unloaded"
	case FoundLoading:
		return v.Model + " is being loaded"
	case FoundNothingConfigured:
		return "no model is loaded, and none is configured"
	case FoundNotLoaded:
		return v.Model + " is not loaded"
	case FoundNotOffered:
		return fmt.Sprintf("%s is not among the models offered (%s)", v.Model, few(v.Loaded))
	case FoundOtherLoaded:
		return fmt.Sprintf("%s is loaded instead of %s", few(v.Loaded), v.Model)
	case FoundOtherSettings:
		return v.Model + " runs with " + settingsText(v.Settings)
	case FoundLessOnGPU:
		return fmt.Sprintf("%.0f %% of %s on the GPU, %.0f %% when last known good", 100*v.Share, v.Model, 100*v.ShareBefore)
	}
	return trialText(v)
}

// trialText is the sentence of a trial's figures.
func trialText(v *Evidence) string {
	t := v.Trial
	switch {
	case t == nil:
		return v.Detail
	case v.Found == FoundErrorsInTrial:
		return fmt.Sprintf("%d of %d answers failed, and %.1f %% in its tournament", t.Failed, t.Answers, 100*t.ErrorRate)
	case v.Found == FoundSlowInTrial:
		return fmt.Sprintf("the first token takes %s, and %s is usual", duration.Text(t.FirstToken), duration.Text(t.Usual))
	}
	text := fmt.Sprintf("%d answers, %d failed", t.Answers, t.Failed)
	if t.FirstToken > 0 {
		text += fmt.Sprintf(", the first token after %s", duration.Text(t.FirstToken))
	}
	return text
}

// String returns the degradation in words.
func (d Degradation) String() string {
	switch d.Kind {
	case DegradedHeld:
		return fmt.Sprintf("%s: %s; it is repaired as soon as another node serves", d.Cause, d.Evidence)
	case DegradedPlacement:
		return fmt.Sprintf("only %.0f %% of %s is on the GPU", 100*d.Evidence.Share, d.Model)
	case DegradedGone:
		return d.Model + " is gone from the disk: it serves from memory, and can't be loaded again"
	case DegradedSettings:
		return d.Evidence.String()
	}
	return d.Detail
}

func degradationsText(list []Degradation) string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = d.String()
	}
	return strings.Join(texts, "; ")
}

func settingsText(list []SettingDiff) string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = fmt.Sprintf("%s %v, not %v", d.Name, d.Is, d.Wanted)
	}
	return strings.Join(texts, ", ")
}

// few lists at most three names.
func few(list []string) string {
	if len(list) > 3 {
		list = append(append([]string(nil), list[:3]...), "…")
	}
	return strings.Join(list, ", ")
}

func orServer(model string) string { return firstText(model, "the server") }

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
