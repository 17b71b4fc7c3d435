package suite

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/turbone/jarvis/scoring/grade"
)

// numbered makes a suite of as many tasks in each domain.
func numbered(t testing.TB, counts map[string]int) *Suite {
	t.Helper()
	grader := grade.MustExpect("4")
	var tasks []Task
	for _, domain := range []string{"a", "b", "c"} {
		for i := range counts[domain] {
			tasks = append(tasks, Task{ID: fmt.Sprintf("%s%d", domain, i), Domain: domain, Prompt: fmt.Sprint(domain, i), Grader: grader})
		}
	}
	s, err := New("numbered", "1", tasks...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ids(tasks []Task) (list []string) {
	for _, t := range tasks {
		list = append(list, t.ID)
	}
	return list
}

// TestHalves divides each domain, and loses no task.
func TestHalves(t *testing.T) {
	s := numbered(t, map[string]int{"a": 5, "b": 1, "c": 14})
	first, second := s.Halves()
	again, _ := s.Halves()
	if diff := cmp.Diff(ids(first.Tasks()), ids(again.Tasks())); diff != "" {
		t.Errorf("another time (-first +then):\n%s", diff)
	}
	seen := map[string]bool{}
	counts := map[string]int{}
	for _, task := range first.Tasks() {
		seen[task.ID] = true
		counts[task.Domain]++
	}
	for _, task := range second.Tasks() {
		if seen[task.ID] {
			t.Errorf("%s is in both halves", task.ID)
		}
		seen[task.ID] = true
	}
	if len(seen) != 20 || len(first.Tasks()) != 10 || counts["c"] != 7 || first.Hash() == second.Hash() || first.Hash() == s.Hash() {
		t.Errorf("%d tasks, %d in the first half: %v", len(seen), len(first.Tasks()), counts)
	}
}

// TestDraw draws in proportion, the same each time, and the second draw shares
// no task with the first.
func TestDraw(t *testing.T) {
	for _, row := range []struct {
		n      int
		counts map[string]int
		want   map[string]int
	}{
		{10, map[string]int{"a": 10, "b": 10, "c": 20}, map[string]int{"a": 3, "b": 2, "c": 5}},
		{8, map[string]int{"a": 10, "b": 10, "c": 20}, map[string]int{"a": 2, "b": 2, "c": 4}},
		{3, map[string]int{"a": 1, "b": 1, "c": 98}, map[string]int{"a": 1, "b": 1, "c": 1}},
		{2, map[string]int{"a": 1, "b": 1, "c": 98}, map[string]int{"c": 2}},
		{40, map[string]int{"a": 10, "b": 10, "c": 20}, map[string]int{"a": 10, "b": 10, "c": 20}},
		{0, map[string]int{"a": 1, "b": 1, "c": 1}, map[string]int{"a": 1, "b": 1, "c": 1}},
	} {
		s := numbered(t, row.counts)
		drawn := s.Draw(row.n, 0)
		got, seen := map[string]int{}, map[string]bool{}
		for _, task := range drawn.Tasks() {
			got[task.Domain]++
			seen[task.ID] = true
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%d of %v (-want +got):\n%s", row.n, row.counts, diff)
		}
		if again := s.Draw(row.n, 0); again.Hash() != drawn.Hash() {
			t.Errorf("%d of %v: another draw the second time", row.n, row.counts)
		}
		if row.n > 0 && 2*row.n <= 20 {
			for _, task := range s.Draw(row.n, 1).Tasks() {
				if enough := row.counts[task.Domain] >= 2*got[task.Domain]; enough && seen[task.ID] {
					t.Errorf("%d of %v: task %s is in both draws", row.n, row.counts, task.ID)
				}
			}
		}
	}
}

// TestOrderAndSeeds: each cycle has an order of its own, each task in each cycle
// a seed of its own, and both follow from the base alone.
func TestOrderAndSeeds(t *testing.T) {
	s := numbered(t, map[string]int{"a": 20, "b": 20})
	if diff := cmp.Diff(ids(s.Order(1, 7)), ids(s.Order(1, 7))); diff != "" {
		t.Errorf("an order isn't repeated:\n%s", diff)
	}
	seen := map[string]bool{}
	for _, order := range [][]Task{s.Tasks(), s.Order(1, 7), s.Order(2, 7), s.Order(1, 8)} {
		key := fmt.Sprint(ids(order))
		if seen[key] {
			t.Errorf("two orders are the same: %s", key)
		}
		seen[key] = true
	}
	seeds := map[int]bool{}
	for base := range uint64(2) {
		for cycle := range 5 {
			for _, task := range s.Tasks() {
				seed := s.Seed(task.ID, cycle, base)
				if seed != s.Seed(task.ID, cycle, base) || seed < 1 || seed > 1<<31-1 {
					t.Errorf("seed %d of %s", seed, task.ID)
				}
				seeds[seed] = true
			}
		}
	}
	if len(seeds) != 400 {
		t.Errorf("%d seeds for 400 tests", len(seeds))
	}
}

// TestHash: what bears upon a result changes the hash, samples don't.
func TestHash(t *testing.T) {
	four := grade.MustExpect("4")
	five := grade.MustExpect("5")
	base := Task{ID: "a", Domain: "b", Prompt: "c", Grader: four}
	hash := func(change func(*Task)) string {
		task := base
		change(&task)
		s, err := New("x", "1", task)
		if err != nil {
			t.Fatal(err)
		}
		return s.Hash()
	}
	same := hash(func(*Task) {})
	if got := hash(func(t *Task) { t.Right, t.Wrong = []string{"4"}, []string{"5"} }); got != same {
		t.Error("samples change the hash")
	}
	for name, change := range map[string]func(*Task){
		"id": func(t *Task) { t.ID = "z" }, "domain": func(t *Task) { t.Domain = "z" }, "prompt": func(t *Task) { t.Prompt = "z" },
		"limit": func(t *Task) { t.MaxTokens = 5 }, "grader": func(t *Task) { t.Grader = five },
	} {
		if hash(change) == same {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

// TestNewMistakes: a suite that cannot be asked is none.
func TestNewMistakes(t *testing.T) {
	four := grade.MustExpect("4")
	whole := Task{ID: "a", Prompt: "c", Grader: four}
	for want, tasks := range map[string][]Task{
		"task 1 has no id":                                    {{Prompt: "c", Grader: four}},
		`task "a" has no prompt`:                              {{ID: "a", Grader: four}},
		`task "a" has no grader`:                              {{ID: "a", Prompt: "c"}},
		`task 2: the id "a" is taken: give each task its own`: {whole, whole},
	} {
		if _, err := New("x", "1", tasks...); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
