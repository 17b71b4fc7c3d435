package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/turbone/jarvis/healer"
)

// shortest is what a period must last at least: less is a slip, and would keep
// every server busy.
const shortest = 10 * time.Millisecond

// off is what turns a file or the status API off.
const off = "off"

func (r *reader) healer(v value, h *Healer) {
	m, ok := v.mapping(healerKeys)
	if !ok {
		return
	}
	p := &h.Policy
	before := len(r.mistakes)
	m.durations([]durationKey{
		{"interval", &p.Interval, shortest}, {"retry_after", &p.RetryAfter, shortest},
		{"grace", &p.Grace, 0}, {"settle", &p.Settle, 0},
		{"restart_wait", &p.RestartWait, shortest}, {"busy_limit", &p.BusyLimit, shortest},
	})
	if v, ok := m.get("canary"); ok {
		if m, ok := v.mapping(canaryKeys); ok {
			m.durations([]durationKey{{"every", &p.CanaryEvery, shortest}, {"timeout", &p.CanaryTimeout, shortest}})
		}
	}
	if v, ok := m.get("mini_benchmark"); ok {
		r.benchmark(v, p)
	}
	if v, ok := m.get("max_attempts"); ok {
		p.MaxAttempts = orZero(v.integer(1))
	}
	if v, ok := m.get("max_repairs"); ok {
		p.MaxRepairs = orZero(v.integer(0))
	}
	if v, ok := m.get("drift"); ok {
		what, _ := v.oneOf([]string{"restore", "adopt"})
		p.AdoptDrift = what == "adopt"
	}
	if v, ok := m.get("backoff"); ok {
		r.backoff(v, p)
	}
	r.files(m, h)
	r.listen(m, h)
	if len(r.mistakes) == before {
		// Anything the checks above don't know of.
		var figure *healer.PolicyError
		switch err := p.Validate(); {
		case errors.As(err, &figure):
			m.mistake(policyKey(figure.Field)+": "+figure.Problem, "correct the figure")
		case err != nil:
			m.mistake(err.Error(), "correct the figure")
		}
	}
}

// policyKey returns the key of a field of [healer.Policy].
func policyKey(field string) string {
	name, index, indexed := strings.Cut(field, "[")
	keys := map[string]string{
		"Interval": "interval", "RetryAfter": "retry_after", "Grace": "grace", "Settle": "settle",
		"CanaryEvery": "canary.every", "CanaryTimeout": "canary.timeout",
		"Questions": "mini_benchmark.questions", "Threshold": "mini_benchmark.threshold",
		"QuestionTimeout": "mini_benchmark.timeout", "QuestionsEvery": "mini_benchmark.every",
		"MaxAttempts": "max_attempts", "MaxRepairs": "max_repairs",
		"BackoffInitial": "backoff.initial", "BackoffMax": "backoff.max",
		"RestartWait": "restart_wait", "BusyLimit": "busy_limit",
	}
	key := keys[name]
	if indexed {
		key += "[" + strings.Replace(index, ".Expect", ".expect", 1)
	}
	return key
}

// policy returns the figures as the healer takes them, where zero is the default
// and not none.
func (h Healer) policy() healer.Policy {
	p := h.Policy
	for _, d := range []*time.Duration{&p.Grace, &p.Settle, &p.QuestionsEvery} {
		if *d == 0 {
			*d = healer.Off
		}
	}
	return p
}

type durationKey struct {
	name  string
	into  *time.Duration
	least time.Duration
}

func (m mapping) durations(keys []durationKey) {
	for _, k := range keys {
		if v, ok := m.get(k.name); ok {
			*k.into = orZero(v.duration(k.least))
		}
	}
}

func (r *reader) benchmark(v value, p *healer.Policy) {
	m, ok := v.mapping(benchmarkKeys)
	if !ok {
		return
	}
	m.durations([]durationKey{{"every", &p.QuestionsEvery, 0}, {"timeout", &p.QuestionTimeout, shortest}})
	if v, ok := m.get("threshold"); ok {
		p.Threshold = orZero(v.share())
	}
	v, ok = m.get("questions")
	if !ok {
		return
	}
	items, ok := v.list("begin each with a dash: - {prompt: \"What is 2+2?\", expect: \"4\"}")
	if !ok {
		return
	}
	if len(items) == 0 {
		v.mistake("no question in it", "give at least one, or remove the line for the usual three")
	}
	p.Questions = nil
	for _, item := range items {
		m, ok := item.mapping(questionKeys)
		if !ok {
			continue
		}
		var q healer.Question
		if v, ok := m.need("prompt", "give the question"); ok {
			q.Prompt, _ = v.prompt()
		}
		if v, ok := m.need("expect", "give the right answer"); ok {
			q.Expect, _ = v.prompt()
		}
		p.Questions = append(p.Questions, q)
	}
}

func (r *reader) backoff(v value, p *healer.Policy) {
	m, ok := v.mapping(backoffKeys)
	if !ok {
		return
	}
	before := len(r.mistakes)
	m.durations([]durationKey{{"initial", &p.BackoffInitial, shortest}, {"max", &p.BackoffMax, shortest}})
	if p.BackoffMax < p.BackoffInitial && len(r.mistakes) == before {
		v.mistake(fmt.Sprintf("max, %s, is shorter than initial, %s", p.BackoffMax, p.BackoffInitial), "make max the longer one")
	}
}

func (r *reader) files(m mapping, h *Healer) {
	for _, file := range []struct {
		name string
		into *string
	}{{"log", &h.Log}, {"state", &h.State}} {
		v, ok := m.get(file.name)
		if !ok {
			continue
		}
		if text, ok := v.raw("a path", "write a path, or off"); ok && text == off {
			*file.into = ""
			continue
		}
		*file.into = orZero(v.path())
	}
	if v, ok := m.get("log_max_size"); ok {
		if size, ok := v.size(); ok && size < 1<<20 {
			v.mistake("too small", "give at least 1MiB")
		} else {
			h.LogMaxSize = size
		}
	}
}

func (r *reader) listen(m mapping, h *Healer) {
	h.Token = m.secret("listen_token")
	v, ok := m.get("listen")
	if !ok {
		return
	}
	if text, ok := v.raw("an address", "write host:port, or off"); ok && text == off {
		h.Listen = ""
		return
	}
	address, loopback, ok := v.listen(DefaultListen)
	if !ok {
		return
	}
	h.Listen = address
	_, token := m.keys["listen_token"]
	_, tokenFile := m.keys["listen_token_file"]
	if !loopback && !token && !tokenFile {
		v.mistake(fmt.Sprintf("%s can be reached from other machines, and there is no token", v.quotable(address)),
			"add listen_token: ${JARVIS_TOKEN}, or listen on "+DefaultListen)
	}
}
