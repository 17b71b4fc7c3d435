// Package suite provides the tasks of a tournament with their graders: the
// built-in suite, or one that is read from a file.
package suite

import "github.com/turbone/jarvis/scoring/grade"

// Task is one question with its grader.
type Task struct {
	// ID is unique in its suite.
	ID string
	// Domain is the group of the task: code, math, raisonnement, ….
	Domain string
	// Prompt is the text of the question.
	Prompt string
	// MaxTokens limits the answer, thinking included; 0 means the limit of the
	// tournament.
	MaxTokens int
	// Grader grades the answers.
	Grader grade.Grader
	// Right and Wrong are sample answers that test the grader. They affect no
	// result, and are not part of the suite's hash.
	Right, Wrong []string
}

// Suite is an immutable list of tasks. Safe for concurrent use.
type Suite struct {
	name    string
	version string
	tasks   []Task
	hash    string
}

// Name returns the suite's name: "builtin", or the path of its file.
func (s *Suite) Name() string { return s.name }

// Version returns the suite's version. See [Read].
func (s *Suite) Version() string { return s.version }

// Tasks returns the tasks, in order. The caller must not change them.
func (s *Suite) Tasks() []Task { return s.tasks }

// Hash returns a hash of the tasks' prompts, graders and limits. Two runs are
// comparable only if it is the same.
func (s *Suite) Hash() string { return s.hash }
