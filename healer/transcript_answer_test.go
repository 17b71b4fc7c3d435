package healer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// step applies an input and prints the answer.
func (s *script) step(in input) string {
	before := slices.Clone(s.fleet.nodes)
	r := s.fleet.step(in)
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, "  "+format+"\n", args...) }
	for i, n := range s.fleet.nodes {
		if n.state != before[i].state {
			line("%s: %s -> %s", n.name, before[i].state, n.state)
		}
		if n.lastError != before[i].lastError {
			line("%s: last error %q", n.name, n.lastError)
		}
		if s.fleet.once && n.last.passed != before[i].last.passed {
			line("%s: passed", n.name)
		}
	}
	if r.save {
		for i, n := range s.fleet.nodes {
			if text := keptText(n.kept, s.began); text != keptText(before[i].kept, s.began) {
				line("save %s: %s", n.name, text)
			}
		}
		line("save first")
	}
	for _, e := range r.events {
		line("event %s [%s] %s%s", e.Type, e.Rule, e, untold(e))
		if lost := lostInJSON(e); lost != "" {
			line("!! in JSON it is %s", lost)
		}
	}
	for _, x := range r.routing {
		sleeps := ""
		if x.sleeps {
			sleeps = " sleeps"
		}
		line("route %s serves=%t model=%q answered=%t%s", x.node, x.serves, x.model, x.answered, sleeps)
	}
	for _, p := range r.ops {
		line("op %s %s", s.fleet.nodes[p.node].name, opText(p.op, s.now))
	}
	if r.rerun != nil {
		line("rerun %s %s", s.fleet.nodes[r.rerun.node].name, r.rerun.kind)
	}
	for _, i := range r.checked {
		line("checked %s", s.fleet.nodes[i].name)
	}
	for _, problem := range s.fleet.miscounts() {
		line("!! %s", problem)
	}
	return out.String()
}

// untold lists the facts of an event that are not in its sentence.
func untold(e Event) string {
	var list []string
	for _, fact := range []string{string(e.Cause), e.Model, e.From, e.To} {
		if !strings.Contains(e.String(), fact) && !slices.Contains(list, fact) {
			list = append(list, fact)
		}
	}
	if e.Attempt > 0 {
		list = append(list, fmt.Sprintf("repair %d", e.Attempt))
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// miscounts compares what a fleet counts as it goes with its nodes.
func (f *fleet) miscounts() []string {
	var problems []string
	check := func(what string, is, want int) {
		if is != want {
			problems = append(problems, fmt.Sprintf("%s: %d, and it is %d", what, is, want))
		}
	}
	count := func(is func(n *nodeState) bool) int {
		sum := 0
		for i := range f.nodes {
			sum += one(is(&f.nodes[i]))
		}
		return sum
	}
	check("nodes that serve", f.count, count((*nodeState).serves))
	check("nodes under repair", f.repairs, count(func(n *nodeState) bool { return n.state.UnderRepair() }))
	check("nodes that may serve in a moment", f.undecided, count((*nodeState).undecided))
	check("nodes that wait for a rerun", f.reruns, count(func(n *nodeState) bool { return n.rerun.kind != "" }))
	first := slices.IndexFunc(f.order, func(i int) bool { return f.nodes[i].serves() })
	if first < 0 {
		first = len(f.order)
	}
	check("place of the first that serves", f.serving, first)
	if f.stale && f.judgements != nil {
		problems = append(problems, "the judgements are not applied")
	}
	return problems
}

// show prints what the healer knows of a node.
func (s *script) show(n *nodeState) string {
	var out strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return clock(t.Sub(s.began))
	}
	status := statusOf(n, "")
	fmt.Fprintf(&out, "  %s: %s, wants %q, has %v, checked %s, passed %s, attempts %d\n",
		n.name, status.State, status.Wanted, status.Loaded, at(status.LastCheck), at(status.LastOK), status.Attempts)
	if i := n.incident; !reflect.DeepEqual(i, incident{}) {
		fmt.Fprintf(&out, "  %s: incident %q since %s, seen by %s, repairs %d\n", n.name, i.cause, at(i.began), i.check, i.attempts)
	}
	if status.LeasedBy != "" {
		fmt.Fprintf(&out, "  %s: leased by %s\n", n.name, status.LeasedBy)
	}
	if !n.busySince.IsZero() {
		fmt.Fprintf(&out, "  %s: busy since %s\n", n.name, at(n.busySince))
	}
	for _, d := range n.degradations.list() {
		fmt.Fprintf(&out, "  %s: degraded by %s: %s\n", n.name, d.Kind, d)
	}
	return out.String()
}

// lostInJSON returns the sentence that an event makes after a way through JSON, ""
// if its facts make the same one.
func lostInJSON(e Event) string {
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	var back Event
	if err := json.Unmarshal(b, &back); err != nil {
		return err.Error()
	}
	if back.text != "" || back.String() != e.String() {
		return Event(facts(back)).String()
	}
	return ""
}

func opText(o op, now time.Time) string {
	if o.kind == "" {
		return "none"
	}
	text := string(o.kind)
	if o.model.Name != "" {
		text += " " + o.model.Name
	}
	if o.reload {
		text += " reload"
	}
	if !o.until.IsZero() {
		text += " until +" + o.until.Sub(now).String()
	}
	return text + " in " + max(0, o.at.Sub(now)).String()
}

// keptText prints what is kept of a node.
func keptText(k persisted, began time.Time) string {
	facts := map[string]string{}
	if k.LastKnownGood != nil {
		facts["good"] = k.LastKnownGood.Name
		if digest := k.LastKnownGood.Digest; digest != "" && digest != "d-"+k.LastKnownGood.Name {
			facts["good"] += "@" + digest
		}
	}
	if k.VRAMShare > 0 {
		facts["share"] = fmt.Sprintf("%.2f", k.VRAMShare)
	}
	if k.Attempts > 0 {
		facts["attempts"] = strconv.Itoa(k.Attempts)
	}
	if !k.NextRepair.IsZero() {
		facts["next-repair"] = clock(k.NextRepair.Sub(began))
	}
	if o := k.Override; o != nil {
		facts["override"] = o.Name + " " + strings.ReplaceAll(o.Why, " ", "-")
	}
	if k.Trial != nil {
		facts["trial"] = fmt.Sprintf("%d/%d", len(k.Trial.Answers), k.Trial.Watch)
		if k.Trial.Usual > 0 {
			facts["trial"] += " usual=" + k.Trial.Usual.String()
		}
	}
	if k.Restore != nil {
		facts["restore"] = k.Restore.Name
	}
	if k.Undone != "" {
		facts["undone"] = k.Undone
	}
	if k.Alarm != "" {
		facts["alarm"] = k.Alarm
	}
	if k.Asked != "" {
		facts["asked"] = k.Asked
	}
	if k.Paused != nil {
		facts["paused"] = "yes"
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		list = append(list, key+"="+facts[key])
	}
	return strings.Join(list, " ")
}
