package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// What the commands print with --json, as examples. A member that begins with
// "?" may be missing, one that ends with "?" may be null; no other may be there.
// An example of {} is any object.
const (
	sideShape = `{"model": "", "score": 0, "quality": 0, "speed": 0, "reliability": 0, "tests": 0, "pass": 0, "errors": 0, "latency_ms": 0,
		"?load": {}, "?p95_latency_ms": 0, "?first_token_ms": 0, "?unsteady": "", "?out": ""}`
	tournamentShape = `{"verdict": "", "node": "", "reason": "", "candidate": ` + sideShape + `, "champion": ` + sideShape + `,
		"gap?": {"estimate": 0, "low": 0, "high": 0, "?winner_excess": 0}, "tests_used": 0, "loaded": "",
		"?session": "", "?more_tests": 0, "?smallest_gap": 0, "?rule": "", "?runs_not_used": [""]}`
	allShape      = `{"winner": "", "verdict": "", "table": [` + sideShape + `], "tests_used": 0, "final": ` + tournamentShape + `}`
	estimateShape = `{"node": "", "champion": "", "?candidate": "", "rule": "", "?out": [""], "tests": 0, "tests_if_clear": 0, "minutes": 0, "minutes_if_clear": 0,
		"smallest_gap": 0, "champion_runs": 0, "measured": true, "false_promotions_of_100": 0, "?runs_not_used": [""]}`
	historyShape = `{"champion?": {}, "runs": [{}], "trend": 0, "trend_low": 0, "trend_high": 0, "trend_model": "", "trend_runs": 0,
		"alarms": [{"time": "", "node": "", "kind": "", "model": "", "from": 0, "to": 0, "text": "", "?run_id": "", "?ended": "", "?major": true, "?sureness": ""}],
		"total_runs": 0, "folded_runs": 0, "compared_runs": 0}`
	appendShape   = `{"run_id": "", "score": 0, "replaced": true, "regression": true, "total_runs": 0, "?alarm": ""}`
	discoverShape = `{"node": "", "engine": "", "memory_bytes": 0, "context": 0, "benchmark": "",
		"models": [{"model": "", "repository": "", "quantization": "", "size_bytes": 0, "needs_bytes": 0, "?parameters": 0, "?architecture": "",
			"?max_context": 0, "?base_model": "", "downloads": 0, "likes": 0, "?gated": "", "?private": true, "?updated": "",
			"benchmark_score?": 0, "?benchmark_of": ""}],
		"rejected": [{"repository": "", "reason": ""}], "notes": [""]}`
	pullShape = `{"node": "", "model": "", "asked": "", "already": true, "?repository": "", "?quantization": "", "?size_bytes": 0, "?needs_bytes": 0}`
	moveShape = `{"from": "", "to": "", "runs": 0, "added": 0, "replaced": 0, "total_runs": 0, "champion?": {}, "crowned": true}`
)

// shape FILE KIND checks that a file holds one JSON object of a kind, and
// nothing else.
func shape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shape FILE KIND")
	}
	example, ok := map[string]string{
		"tournament": tournamentShape, "all": allShape, "estimate": estimateShape, "history": historyShape,
		"append": appendShape, "discover": discoverShape, "pull": pullShape, "move": moveShape,
	}[args[1]]
	if !ok {
		ts.Fatalf("no shape is named %s", args[1])
	}
	var want, got any
	ts.Check(json.Unmarshal([]byte(example), &want))
	text := ts.ReadFile(args[0])
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		ts.Fatalf("%s: %v in\n%s", args[0], err, text)
	}
	if mistakes := compare("", got, want); len(mistakes) > 0 {
		ts.Fatalf("%s is no %s:\n%s", args[0], args[1], strings.Join(mistakes, "\n"))
	}
}

func compare(path string, got, want any) (mistakes []string) {
	if reflect.TypeOf(got) != reflect.TypeOf(want) {
		return []string{fmt.Sprintf("%s is %v, want one like %v", path, got, want)}
	}
	switch want := want.(type) {
	case []any:
		for i, element := range got.([]any) {
			mistakes = append(mistakes, compare(fmt.Sprintf("%s.%d", path, i), element, want[0])...)
		}
	case map[string]any:
		if len(want) == 0 {
			return nil
		}
		left := maps.Clone(got.(map[string]any))
		for _, key := range slices.Sorted(maps.Keys(want)) {
			name := strings.Trim(key, "?")
			value, there := left[name]
			delete(left, name)
			switch {
			case !there && !strings.HasPrefix(key, "?"):
				mistakes = append(mistakes, path+"."+name+" is missing")
			case there && (value != nil || !strings.HasSuffix(key, "?")):
				mistakes = append(mistakes, compare(path+"."+name, value, want[key])...)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(left)) {
			mistakes = append(mistakes, path+"."+name+" is more than was promised")
		}
	}
	return mistakes
}

// field FILE PATH VALUE checks a value in a file's JSON: a path such as
// runs.0.model, or runs.count for how many there are. A value may be >N or <N.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: field FILE PATH VALUE")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &value))
	for _, name := range strings.Split(args[1], ".") {
		list, isList := value.([]any)
		object, isObject := value.(map[string]any)
		i, err := strconv.Atoi(name)
		switch {
		case isList && name == "count":
			value = float64(len(list))
		case isList && err == nil && i < len(list):
			value = list[i]
		case isObject:
			value = object[name]
		default:
			ts.Fatalf("%s: no %s in %v", args[1], name, value)
		}
	}
	if holds(value, args[2]) == neg {
		ts.Fatalf("%s is %v, and %s was (not) wanted", args[1], value, args[2])
	}
}

func holds(value any, want string) bool {
	figure, isFigure := value.(float64)
	bound, err := strconv.ParseFloat(strings.TrimLeft(want, "<>"), 64)
	switch {
	case isFigure && err == nil && strings.HasPrefix(want, ">"):
		return figure > bound
	case isFigure && err == nil && strings.HasPrefix(want, "<"):
		return figure < bound
	case isFigure && err == nil:
		return figure == bound
	}
	return fmt.Sprint(value) == want
}
