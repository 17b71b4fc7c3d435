package suite

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
)

// New returns a suite of tasks. A task without an ID, a prompt or a grader is an
// error, and so is an ID that is used twice.
func New(name, version string, tasks ...Task) (*Suite, error) {
	seen := make(map[string]bool, len(tasks))
	for i, t := range tasks {
		switch {
		case t.ID == "":
			return nil, fmt.Errorf("task %d has no id", i+1)
		case seen[t.ID]:
			return nil, fmt.Errorf("task %d: the id %q is taken: give each task its own", i+1, t.ID)
		case t.Prompt == "":
			return nil, fmt.Errorf("task %q has no prompt", t.ID)
		case t.Grader == nil:
			return nil, fmt.Errorf("task %q has no grader", t.ID)
		}
		seen[t.ID] = true
	}
	return &Suite{name: name, version: version, tasks: slices.Clone(tasks), hash: hashOf(tasks)}, nil
}

// hashOf returns a hash of all that affects the results of tasks.
func hashOf(tasks []Task) string {
	h := sha256.New()
	for _, t := range tasks {
		fmt.Fprintf(h, "%q %q %q %q %d\n", t.ID, t.Domain, t.Prompt, fmt.Sprint(t.Grader), t.MaxTokens)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Draw returns a suite of n of the tasks, each domain in proportion and with at
// least one task if n allows that; or all tasks if there are no more than n. The
// same n and number give the same tasks. Draws of different numbers have no task
// in common as long as the domains have enough.
func (s *Suite) Draw(n, number int) *Suite {
	if n <= 0 || n >= len(s.tasks) {
		return s
	}
	byDomain := map[string][]Task{}
	var domains []string
	for _, t := range s.tasks {
		if byDomain[t.Domain] == nil {
			domains = append(domains, t.Domain)
		}
		byDomain[t.Domain] = append(byDomain[t.Domain], t)
	}
	random := s.random("draw", 0)
	var tasks []Task
	for i, count := range s.shares(n, domains, byDomain) {
		list := byDomain[domains[i]]
		random.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		for k := range count {
			tasks = append(tasks, list[(number*count+k)%len(list)])
		}
	}
	return &Suite{name: s.name, version: s.version, tasks: tasks, hash: hashOf(tasks)}
}

// Halves divides the suite into two without a task in common: half of each domain,
// in a random order that depends on the tasks alone.
func (s *Suite) Halves() (first, second *Suite) {
	random := s.random("halves", 0)
	byDomain := map[string][]Task{}
	var domains []string
	for _, t := range s.tasks {
		if byDomain[t.Domain] == nil {
			domains = append(domains, t.Domain)
		}
		byDomain[t.Domain] = append(byDomain[t.Domain], t)
	}
	var halves [2][]Task
	place := 0
	for _, domain := range domains {
		list := byDomain[domain]
		random.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		for _, t := range list {
			halves[place%2] = append(halves[place%2], t)
			place++
		}
	}
	half := func(tasks []Task) *Suite {
		return &Suite{name: s.name, version: s.version, tasks: tasks, hash: hashOf(tasks)}
	}
	return half(halves[0]), half(halves[1])
}

// shares divides n among the domains by the method of largest remainders.
func (s *Suite) shares(n int, domains []string, byDomain map[string][]Task) []int {
	counts := make([]int, len(domains))
	left := n
	for i, d := range domains {
		counts[i] = n * len(byDomain[d]) / len(s.tasks)
		if counts[i] == 0 && n >= len(domains) {
			counts[i] = 1
		}
		left -= counts[i]
	}
	for left != 0 {
		best, step := -1, 1
		if left < 0 {
			step = -1
		}
		for i, d := range domains {
			missing := func(k int) int { return step * (n*len(byDomain[domains[k]]) - counts[k]*len(s.tasks)) }
			full := step > 0 && counts[i] == len(byDomain[d]) || step < 0 && counts[i] <= 1
			if !full && (best < 0 || missing(i) > missing(best)) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		counts[best] += step
		left -= step
	}
	return counts
}

// Order returns the tasks in a random order that depends on cycle and base alone.
func (s *Suite) Order(cycle int, base uint64) []Task {
	tasks := slices.Clone(s.tasks)
	s.random(fmt.Sprint("order ", cycle), base).Shuffle(len(tasks), func(a, b int) { tasks[a], tasks[b] = tasks[b], tasks[a] })
	return tasks
}

// Seed returns a random seed for a task that depends on task, cycle and base
// alone. It is from 1 to 2³¹-1, which every engine accepts.
func (s *Suite) Seed(task string, cycle int, base uint64) int {
	return 1 + s.random(fmt.Sprintf("seed %d %s", cycle, task), base).IntN(1<<31-1)
}

// random returns a source that depends on the tasks, a purpose and a base alone.
func (s *Suite) random(purpose string, base uint64) *rand.Rand {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%d", s.hash, purpose, base)
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])))
}
