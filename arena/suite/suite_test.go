package suite

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func builtinSuite(t testing.TB) *Suite {
	t.Helper()
	s, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBuiltinSuite holds what is promised of the built-in suite.
func TestBuiltinSuite(t *testing.T) {
	s := builtinSuite(t)
	domains := map[string]int{}
	graders := map[string]map[string]bool{}
	for _, task := range s.Tasks() {
		domains[task.Domain]++
		kind, _, _ := strings.Cut(fmt.Sprint(task.Grader), " ")
		if graders[task.Domain] == nil {
			graders[task.Domain] = map[string]bool{}
		}
		graders[task.Domain][kind] = true
		if !strings.HasPrefix(task.ID, task.Domain+"-") {
			t.Errorf("task %s is in domain %s", task.ID, task.Domain)
		}
		for _, other := range s.Tasks() {
			if other.ID != task.ID && strings.Contains(other.Prompt, task.Prompt) {
				t.Errorf("the prompt of %s holds that of %s", other.ID, task.ID)
			}
		}
	}
	want := map[string]int{"code": 22, "math": 22, "raisonnement": 22, "traduction": 22, "systeme": 22, "trading": 22, "securite": 22, "web": 22}
	if diff := cmp.Diff(want, domains); diff != "" {
		t.Errorf("tasks of each domain (-want +got):\n%s", diff)
	}
	for domain, kinds := range graders {
		if len(kinds) < 4 {
			t.Errorf("%s has the graders %v: four kinds at least", domain, kinds)
		}
	}
}

// TestBuiltinSamples grades the sample answers of every task: the right ones
// pass, the wrong ones don't, and neither does the question repeated.
func TestBuiltinSamples(t *testing.T) {
	for _, task := range builtinSuite(t).Tasks() {
		if len(task.Right) == 0 || len(task.Wrong) == 0 {
			t.Errorf("task %s has no sample of a right and of a wrong answer", task.ID)
		}
		for _, answer := range task.Right {
			if !task.Grader.Grade(task.Prompt, answer) {
				t.Errorf("task %s takes %q for wrong", task.ID, answer)
			}
		}
		for _, answer := range append(task.Wrong, "", task.Prompt, "I don't know.") {
			if task.Grader.Grade(task.Prompt, answer) {
				t.Errorf("task %s takes %q for right", task.ID, answer)
			}
		}
	}
}

// TestBuiltinVersion holds the hash, so that nobody changes a task and leaves
// the version as it was.
func TestBuiltinVersion(t *testing.T) {
	const version, hash = "1", "7a225906652a082d0ad2532009e3aae5ad4f8373ce4ed3641c9e7a7be4218a50"
	s := builtinSuite(t)
	if s.Version() != version || s.Hash() != hash {
		t.Errorf("version %s has the hash %s, want version %s with %s: a changed task needs a new BuiltinVersion",
			s.Version(), s.Hash(), version, hash)
	}
}
