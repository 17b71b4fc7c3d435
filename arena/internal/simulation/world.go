// Package simulation draws the tests of models on machines that exist on paper
// only. The tests of package arena hold tournaments in these worlds, by the code
// that holds them on real nodes, to tell how often a verdict is wrong and how many
// tests it takes.
//
// A [World] is a kind of tasks, of models and of machines. Its figures are
// assumptions, chosen to cover what users report. What is said of tournaments
// therefore has to hold in all of them.
package simulation

// World is a kind of tasks, of models and of machines.
type World struct {
	Name string
	// Right is the share of right answers of a champion.
	Right float64
	// Difficulty is the standard deviation of the tasks' difficulty, Affinity
	// that of how well a task suits a model, both on the logistic scale. Of two
	// zeros all tasks are alike.
	Difficulty, Affinity float64
	// Shared is the correlation of a task's repeats within one run.
	Shared float64
	// Latency is the median latency of a usual task, in seconds. Lengths,
	// Wordiness and Call are the standard deviations of its logarithm, between
	// tasks, between models on a task, and between tests.
	Latency, Lengths, Wordiness, Call float64
	// Tail is the share of answers that take longer by a factor with a Pareto
	// distribution of the shape 1.5, at most 10.
	Tail float64
	// Run is the standard deviation of the logarithm of the speed between runs,
	// Wander that within a run, of a process whose autocorrelation from test to
	// test is Memory.
	Run, Wander, Memory float64
	// Visits is the share of runs with a second user for a part of them, who
	// slows the tests down by the factor Visitor.
	Visits, Visitor float64
	// Leaves says that in each tournament a second user leaves between the
	// champion's tests and the candidate's.
	Leaves bool
	// Drift is a factor by which latencies change for good, evenly over
	// DriftTests tests that begin anywhere in a tournament.
	Drift      float64
	DriftTests int
	// Errors is the share of single tests without an answer. Bursts is the
	// share of tests at which a burst of errors begins that lasts for Burst
	// tests.
	Errors, Bursts float64
	Burst          int
}

// Alike is a world in which all tasks are alike, and a champion is right in a
// share of them.
func Alike(name string, right float64) World {
	return World{Name: name, Right: right, Latency: 2.4, Lengths: 0.5, Call: 0.25}
}

// Typical is a world of tasks of all difficulties, 65 % of them solved.
func Typical() World {
	return World{
		Name: "typical", Right: 0.68, Difficulty: 2, Affinity: 0.8, Latency: 2.4, Lengths: 0.5, Wordiness: 0.2,
		Call: 0.25, Tail: 0.01, Run: 0.05, Errors: 0.01,
	}
}

// Calm is a world of good models on a quiet machine.
func Calm() World {
	w := Typical()
	w.Name, w.Right, w.Run, w.Tail, w.Errors = "calm", 0.85, 0.03, 0, 0
	return w
}

// Life is Calm with a speed that wanders, slow answers, a second user at times,
// and bursts of errors.
func Life() World {
	w := Calm()
	w.Name = "life"
	w.Wander, w.Memory, w.Tail = 0.10, 0.95, 0.03
	w.Visits, w.Visitor = 0.15, 1.5
	w.Bursts, w.Burst = 0.001, 10
	return w
}

// Ceiling is a world of tasks that are nearly all solved, each by all models.
func Ceiling() World {
	w := Calm()
	w.Name, w.Right = "ceiling", 0.97
	return w
}

// Identical is a world in which a model repeats its answers within a run.
func Identical() World {
	w := Calm()
	w.Name, w.Shared = "identical repeats", 0.97
	return w
}

// Tails is a world in which one answer in ten takes long.
func Tails() World {
	w := Calm()
	w.Name, w.Tail = "tails", 0.1
	return w
}

// Drifting is a world in which latencies change by a factor in a number of tests.
func Drifting(name string, factor float64, tests int) World {
	w := Calm()
	w.Name, w.Drift, w.DriftTests = name, factor, tests
	return w
}

// Visited is a world in which each run has a second user for a part of it.
func Visited() World {
	w := Calm()
	w.Name, w.Visits, w.Visitor = "second user", 1, 1.5
	return w
}

// Busy is a world in which a second user leaves before the candidate's tests.
func Busy() World {
	w := Calm()
	w.Name, w.Leaves, w.Visitor = "busy", true, 1.5
	return w
}

// Bursting is a world in which 2 % of the tests are lost in bursts.
func Bursting(name string, length int) World {
	w := Calm()
	w.Name, w.Bursts, w.Burst = name, 0.02/float64(length), length
	return w
}
