// Package sqlstore keeps the history in an SQL database, for those who want to
// ask it questions. It is a [history.HistoryStore] like the JSON file; nothing
// else needs it, and a program that doesn't import it doesn't carry the database
// engine. The engine is SQLite in Go: no C compiler, no server, one file.
//
// The database stands on a local disk: several processes share memory beside
// it, which network drives don't offer. They may read and write it at once;
// writers take turns. A crash or a power cut loses at most what Append had not
// returned from.
//
// # Tables
//
// The sqlite3 program, and any other, may read these at any time, and delete
// rows of runs (what belongs to them goes with them):
//
//   - runs: a row per run, in the order of position. Its columns follow from the
//     run's JSON when it is written. Times are UTC text that sorts, durations are
//     in milliseconds, what isn't known is NULL. The column errors is what was
//     recorded, or what follows from the score where it wasn't.
//   - run_json: the run itself, whole, as the file would have it. What is read
//     comes from here. Where the run has its tests in it, summary is the same
//     without them.
//   - tests: a row per test of a run that recorded them, durations in
//     microseconds.
//   - parts: pass, total and latency of each node and domain of a run.
//   - champions: who was crowned, the last row is the one that reigns.
//   - members: what else a history file held.
//
// Which tasks got worse this month?
//
//	SELECT task, avg(passed) FILTER (WHERE r.time >= date('now', '-1 month')) AS now,
//	       avg(passed) FILTER (WHERE r.time < date('now', '-1 month')) AS before
//	FROM tests JOIN runs r ON r.position = tests.run
//	GROUP BY task HAVING now < before ORDER BY now - before;
package sqlstore
