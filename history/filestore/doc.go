// Package filestore stores the history in a JSON file that other programs may
// read and write, too. [Store] is a [history.HistoryStore].
//
//   - Unknown members, the order of members, the notation of numbers and the white
//     space are kept. A change edits the text; it doesn't rewrite it.
//   - A file that cannot be read is never overwritten. The error is an
//     [UnreadableError], which gives the position and the remedy.
//   - A program that doesn't write atomically leaves the file truncated for a
//     moment. Such a file is read again for a while before it counts as broken, and
//     never counts as an empty history.
//   - Writers are serialized by a lock file, across processes, and replace the file
//     atomically and durably. After a crash there is the old file or the new one.
//   - Programs that take no lock may overwrite changes. A journal beside the file
//     holds the recent changes, and the next read or change restores what is
//     missing.
//   - The file keeps a limited number of runs. Older ones move to an archive beside
//     it; a crash loses none.
package filestore
