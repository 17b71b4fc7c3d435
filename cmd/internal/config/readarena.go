package config

import (
	"fmt"
	"os"
	"slices"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/scoring"
)

func (r *reader) arena(v value, a *Arena, list []Node) {
	m, ok := v.mapping(arenaKeys)
	if !ok {
		return
	}
	engine := ""
	if v, ok := m.get("node"); ok {
		names := nodeNames(list)
		if name, ok := v.words("a node's name"); ok {
			i := slices.IndexFunc(list, func(n Node) bool { return n.Name == name })
			switch {
			case i >= 0:
				a.Node, engine = name, list[i].Engine
			case len(names) > 0:
				v.mistake(fmt.Sprintf("no node is named %q", v.quotable(name)), didYouMean(name, names))
			}
		}
	} else if len(list) > 0 {
		engine = list[0].Engine
	}
	if v, ok := m.get("candidates"); ok {
		a.Candidates = r.candidates(v, engine)
	}
	if v, ok := m.get("suite"); ok {
		a.Suite = r.suite(v)
	}
	for _, figure := range []struct {
		name  string
		into  *int
		least int
	}{{"cycles", &a.Cycles, 1}, {"quick_cycles", &a.QuickCycles, 1}, {"tasks_per_cycle", &a.TasksPerCycle, 1}, {"warmup", &a.Warmup, 0}, {"max_tokens", &a.MaxTokens, 1}} {
		if v, ok := m.get(figure.name); ok {
			*figure.into = orZero(v.integer(figure.least))
		}
	}
	m.durations([]durationKey{{"timeout", &a.Timeout, shortest}})
	if v, ok := m.get("temperature"); ok {
		a.Temperature = orZero(v.figure(2))
	}
	if v, ok := m.get("weights"); ok {
		a.Weights = r.weights(v)
	}
	if v, ok := m.get("on_regression"); ok {
		what, _ := v.oneOf([]string{string(healer.OnRegressionAlert), string(healer.OnRegressionConfirm), string(healer.OnRegressionTournament)})
		a.OnRegression = healer.OnRegression(what)
	}
}

// weights are those of the composite, made to add up to 1. One that is left out
// is 0.
func (r *reader) weights(v value) scoring.Composite {
	m, ok := v.mapping(weightKeys)
	if !ok {
		return scoring.Default()
	}
	var w scoring.Composite
	for _, part := range []struct {
		name string
		into *float64
	}{{"quality", &w.Quality}, {"speed", &w.Speed}, {"reliability", &w.Reliability}} {
		if v, ok := m.get(part.name); ok {
			*part.into = orZero(v.figure(100))
		}
	}
	sum := w.Quality + w.Speed + w.Reliability
	if sum == 0 {
		v.mistake("all weights are 0", "give at least one, such as {quality: 0.6, speed: 0.3, reliability: 0.1}")
		return scoring.Default()
	}
	return scoring.Composite{Quality: w.Quality / sum, Speed: w.Speed / sum, Reliability: w.Reliability / sum}
}

func (r *reader) candidates(v value, engine string) []nodes.Model {
	items, ok := v.list("begin each with a dash: - model: qwen3-coder-30b")
	if !ok {
		return nil
	}
	var list []nodes.Model
	for _, item := range items {
		m, ok := item.mapping(candidateKeys)
		if !ok {
			continue
		}
		var model nodes.Model
		if v, ok := m.need("model", "name the model, as the engine lists it"); ok {
			model.Name, _ = v.words("a model's name")
		}
		if v, ok := m.get("load"); ok {
			model.Settings = r.load(v, engine)
		}
		if model.Name != "" && slices.ContainsFunc(list, model.Equal) {
			item.mistake(fmt.Sprintf("%q is a candidate twice, with the same settings", clip(model.Name)), "keep one of the two")
		}
		list = append(list, model)
	}
	return list
}

func (r *reader) suite(v value) string {
	text, ok := v.words("builtin, or a file of tasks")
	if !ok || text == "builtin" {
		return "builtin"
	}
	path := r.resolve(text)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		v.mistake(fmt.Sprintf("there is no file %s", path), "write builtin, or name a YAML or JSONL file of tasks")
	}
	return path
}
