// Package suite holds the questions of a tournament: tasks with their graders,
// the project's own ones or a user's from a file.
package suite

import "github.com/turbone/jarvis/scoring/grade"

// Task is one question with its grader.
type Task struct {
	// ID is unique in its suite.
	ID string
	// Domain groups tasks: code, math, raisonnement, ….
	Domain string
	// Prompt is the question as it is asked.
	Prompt string
	// MaxTokens bounds the answer, thinking included; 0 means the runner's own
	// limit.
	MaxTokens int
	// Grader says whether an answer is right.
	Grader grade.Grader
	// Right and Wrong are sample answers, by which the grader can be tested.
	// They bear upon no result, and are not in the suite's hash.
	Right, Wrong []string
}

// Suite is a set of tasks. It doesn't change once made, and is safe for
// concurrent use.
type Suite struct {
	name    string
	version string
	tasks   []Task
	hash    string
}

// Name is "builtin", or the file's path. Version is the suite's own.
func (s *Suite) Name() string    { return s.name }
func (s *Suite) Version() string { return s.version }

// Tasks returns the tasks, in order. The caller must not change them.
func (s *Suite) Tasks() []Task { return s.tasks }

// Hash identifies the tasks: their prompts, graders and limits. Runs compare
// only where it is the same.
func (s *Suite) Hash() string { return s.hash }
