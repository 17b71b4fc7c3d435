package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Series are comparable runs of one model, oldest first.
type Series struct {
	Node, Model string
	Runs        []Run
	// Report holds the alarms that the runs raise.
	Report scoring.Report

	key seriesKey
	// domains are those of all runs.
	domains map[string]bool
}

// seriesKey identifies a series of comparable runs. It contains the model: the two
// models of a tournament run under equal conditions, but a regression is a change of
// one model.
type seriesKey struct {
	kind, model, node, suite, config string
	single                           bool // whether the runs have single results
}

func keyOf(run Run) seriesKey {
	config, err := json.Marshal(run.Config) // sorted by name
	if err != nil {
		config = fmt.Append(nil, run.Config)
	}
	return seriesKey{
		kind: run.Type, model: run.Model, node: nodeOf(run), suite: run.Suite, config: string(config), single: len(run.Results) > 0,
	}
}

// nodeOf returns the run's node, or the only node in its counts.
func nodeOf(run Run) string {
	if run.Node == "" && len(run.ByNode) == 1 {
		for name := range run.ByNode {
			return name
		}
	}
	return run.Node
}

// group returns the series of the runs, in the order of their first runs.
func group(runs []Run) []Series {
	var list []Series
	places := map[seriesKey][]int{}
	for _, run := range runs {
		key := keyOf(run)
		at := -1
		for _, place := range places[key] {
			if list[place].has(run) {
				at = place
			}
		}
		if at < 0 {
			at = len(list)
			places[key] = append(places[key], at)
			list = append(list, Series{Node: key.node, Model: run.Model, key: key, domains: map[string]bool{}})
		}
		list[at].Runs = append(list[at].Runs, run)
		for domain := range run.ByDomain {
			list[at].domains[domain] = true
		}
	}
	return list
}

// has reports whether a run with the series' key is of its tasks. Counts often don't
// record the suite: then their domains have to be among those of the series, or the
// other way round, since a run that was cut short has fewer.
func (s *Series) has(run Run) bool {
	if run.Suite != "" || len(run.Results) > 0 {
		return true
	}
	common := 0
	for domain := range run.ByDomain {
		if s.domains[domain] {
			common++
		}
	}
	return common == len(run.ByDomain) || common == len(s.domains)
}

// former returns the runs before a series began with other settings, those of the
// series with the latest of them, and what is different, in words. The runs of a tournament are not
// compared so: its candidates are tried with settings that nobody has chosen yet.
func former(list []Series, i int) (before []Run, change string) {
	first := list[i].Runs[0]
	if first.Session != "" {
		return nil, ""
	}
	key := list[i].key
	for k := range list {
		other := list[k].key
		if other.config == key.config {
			continue
		}
		if other.config = key.config; other != key || !list[k].has(first) {
			continue
		}
		runs := list[k].Runs
		earlier, _ := slices.BinarySearchFunc(runs, first.Time, func(r Run, at time.Time) int { return r.Time.Compare(at) })
		if earlier == 0 || runs[earlier-1].Session != "" {
			continue
		}
		if before == nil || before[len(before)-1].Time.Before(runs[earlier-1].Time) {
			before = runs[:earlier]
		}
	}
	if before == nil {
		return nil, ""
	}
	return before, difference(before[len(before)-1].Config, first.Config)
}

// difference returns what is different between settings, in words.
func difference(before, after map[string]any) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, there := before[name]; !there || !sameValue(was, after[name]) {
			list = append(list, fmt.Sprintf("%s %v", name, after[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			list = append(list, fmt.Sprintf("%s unset", name))
		}
	}
	if len(list) > 3 {
		return "other settings"
	}
	return strings.Join(list, ", ")
}
