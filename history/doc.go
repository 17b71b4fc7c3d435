// Package history defines the record of measured runs and of the champion, and
// what follows from it.
//
// A [HistoryStore] holds the record. There are two: package filestore keeps it in
// a JSON file that other programs may write, too, package sqlstore in an SQLite
// database. A store of one's own has to pass the test in package historytest.
//
// [AppendToHistory] records the result of an autotest. [Fold] combines the rows
// that report one run, [Judge] compares the runs of each node and model in time
// and raises alarms, [Evidence] and [ScoreChampion] say how good a model has been
// since it was crowned.
package history
