// Package sqlstore stores the history in an SQLite database, which can be queried.
// [Store] is a [history.HistoryStore]. The database engine is written in Go; only
// programs that import this package contain it.
//
// The database has to be on a local disk: the processes that use it share memory
// through a file beside it, which network drives don't support. Several processes
// may read and write at once; writers are serialized. A crash or a power cut loses
// only changes whose call has not returned.
//
// # Tables
//
// Other programs may read the tables at any time, and delete rows of runs, with
// which their rows in the other tables are deleted:
//
//   - runs: a row for each run, ordered by position. The columns are derived from
//     the JSON when the run is written. Times are UTC text that sorts, durations are
//     in milliseconds, unknown values are NULL. The column errors is derived from
//     the score if it was not recorded.
//   - run_json: the complete JSON of each run, from which runs are read. summary is
//     the JSON without the single tests, NULL if there are none.
//   - tests: a row for each single test, durations in microseconds.
//   - parts: pass, total and latency of each node and domain of a run.
//   - champions: all champions; the last row is the present one.
//   - members: the other members of a history file.
//
// The tasks that got worse this month:
//
//	SELECT task, avg(passed) FILTER (WHERE r.time >= date('now', '-1 month')) AS now,
//	       avg(passed) FILTER (WHERE r.time < date('now', '-1 month')) AS before
//	FROM tests JOIN runs r ON r.position = tests.run
//	GROUP BY task HAVING now < before ORDER BY now - before;
package sqlstore
