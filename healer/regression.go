package healer

import (
	"context"
	"fmt"
	"time"

	"github.com/sourcegraph/conc/panics"
)

// Judgement is what the history says of a node that got worse.
type Judgement struct {
	// Node got worse; "" is the first node, in the order of the fallback, that
	// is to serve Model.
	Node string
	// Model is what was measured. An alarm for another than the node is to serve
	// now is passed over; "" is any.
	Model string
	// Alarm tells this alarm from every other: the run's ID, or its time. Each
	// is told once, however often it is judged, and whatever is restarted.
	Alarm string
	// Reason says what got worse: "score 9.2 → 7.8 (-15%): quality; code, math".
	Reason string
	// Suspected: one run alone says so, and a second one has to confirm it. The
	// node isn't degraded for that, and nobody is alarmed.
	Suspected bool
}

// Rerun is what may be asked for after an alarm.
type Rerun string

// The reruns.
const (
	// RerunConfirm is a second run, to confirm a suspicion.
	RerunConfirm Rerun = "confirm"
	// RerunTournament is a quick tournament of the last known good model
	// against the one that got worse.
	RerunTournament Rerun = "tournament"
)

// OnRegression says what is done about an alarm beside telling it.
type OnRegression string

// The settings; the zero value is OnRegressionAlert.
const (
	// OnRegressionAlert does nothing more.
	OnRegressionAlert OnRegression = "alert"
	// OnRegressionConfirm asks for the run that confirms a suspicion.
	OnRegressionConfirm OnRegression = "confirm"
	// OnRegressionTournament does, too, and asks for a tournament once it is
	// confirmed.
	OnRegressionTournament OnRegression = "tournament"
)

// rerun is the one that a judgement asks for, "" for none.
func (o OnRegression) rerun(j Judgement) Rerun {
	switch {
	case j.Suspected && (o == OnRegressionConfirm || o == OnRegressionTournament):
		return RerunConfirm
	case !j.Suspected && o == OnRegressionTournament:
		return RerunTournament
	}
	return ""
}

// wish is a rerun that waits for its turn.
type wish struct {
	kind   Rerun
	alarm  string
	reason string
}

// Judge takes the whole word of the history, as of its latest run: the nodes
// that are named got worse, all others didn't, or no longer are. A node that
// got worse goes on serving, as degraded, and an alarm that was not told yet is
// told.
func (h *Watchdog) Judge(list []Judgement) {
	h.mu.Lock()
	h.word = append([]Judgement{}, list...)
	h.mu.Unlock()
	h.heed()
}

// heed marks the nodes that the history's latest word is about, which changes
// with what they serve.
func (h *Watchdog) heed() {
	changed := false
	h.mu.Lock()
	if h.word == nil {
		h.mu.Unlock()
		return
	}
	named := h.fleet.judged(h.word)
	for i := range h.fleet.nodes {
		n, d := &h.fleet.nodes[i], &h.desks[i]
		j, worse := named[i]
		before := n.worse.history
		n.worse.history, d.wish = "", wish{}
		if !worse {
			if before != "" {
				d.rouse()
			}
			continue
		}
		if kind := h.config.OnRegression.rerun(j); kind != "" && n.kept.Asked != string(kind)+" "+j.Alarm {
			d.wish = wish{kind, j.Alarm, j.Reason}
		}
		if j.Suspected {
			if before != "" {
				d.rouse()
			}
			continue
		}
		n.worse.history = j.Reason
		if before != j.Reason {
			d.rouse()
		}
		if n.kept.Alarm != j.Alarm {
			n.kept.Alarm = j.Alarm
			h.version++
			changed = true
			h.events.add(Event{Time: time.Now(), Node: n.name, Type: EventRegression, Text: fmt.Sprintf("[REGRESSION] %s %s", n.name, j.Reason)})
		}
	}
	h.mu.Unlock()
	if changed {
		h.keep("")
	}
}

// judged is what the history says of which node. Of a suspicion and a
// confirmed regression of one node the latter counts.
func (f *fleet) judged(list []Judgement) map[int]Judgement {
	named := map[int]Judgement{}
	for _, j := range list {
		for _, i := range f.order {
			n := &f.nodes[i]
			if j.Node != "" && j.Node != n.name || j.Node == "" && j.Model == "" || j.Model != "" && !n.isToServe(j.Model) {
				continue
			}
			if before, ok := named[i]; !ok || before.Suspected {
				named[i] = j
			}
			break
		}
	}
	return named
}

// isToServe reports whether a model is what the node is to serve, or serves
// where none is named.
func (n *nodeState) isToServe(model string) bool {
	if goal := n.goal().Name; goal != "" {
		return n.same(goal, model)
	}
	m, ok := n.inService()
	return ok && n.same(m.Name, model)
}

// SetHistory tells that the history says a node got worse, or, with an empty
// reason, that it no longer does. The node goes on serving, as degraded. A
// program that has runs to judge calls [Watchdog.Judge].
func (h *Watchdog) SetHistory(node, reason string) {
	if i, ok := h.config.Nodes.Index(node); ok {
		h.mu.Lock()
		h.fleet.nodes[i].worse.history = reason
		h.mu.Unlock()
	}
}

// rerunEvery is how often it is looked whether a rerun may begin.
const rerunEvery = 5 * time.Second

// reruns asks for what alarms call for, one at a time, until ctx ends.
func (h *Watchdog) reruns(ctx context.Context) {
	for pause(ctx, rerunEvery) {
		i, w, ok := h.nextWish()
		if !ok {
			continue
		}
		h.keep("") // before it begins: asked for once, whatever ends this process
		name := h.config.Nodes.At(i).Name
		text := "measuring again, to confirm: " + w.reason
		if w.kind == RerunTournament {
			text = "holding a tournament against the last known good model: " + w.reason
		}
		h.tell(Event{Time: time.Now(), Node: name, Type: EventRepair, Text: text})
		var err error
		if caught := panics.Try(func() { err = h.config.Rerun(ctx, name, w.kind) }); caught != nil {
			err = caught.AsError()
		}
		if err != nil && ctx.Err() == nil {
			h.tell(Event{Time: time.Now(), Node: name, Type: EventDegraded, Text: fmt.Sprintf("%s: %v", w.kind, err)})
		}
	}
}

// nextWish takes the first rerun that may begin now. It takes its node out of
// service for a while, so none begins while another node is being repaired, or
// while no other serves.
func (h *Watchdog) nextWish() (int, wish, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fleet.repairs > 0 {
		return 0, wish{}, false
	}
	for i := range h.desks {
		n, w := &h.fleet.nodes[i], h.desks[i].wish
		if w.kind == "" || n.kept.Paused != nil || !n.serves() || h.fleet.count < 2 && len(h.fleet.nodes) > 1 {
			continue
		}
		h.desks[i].wish = wish{}
		n.kept.Asked = string(w.kind) + " " + w.alarm
		h.version++
		return i, w, true
	}
	return 0, wish{}, false
}
