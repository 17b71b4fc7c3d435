// Package history keeps what was measured: the runs, and the champion that came
// out of them.
//
// A [HistoryStore] is the small interface that everything else needs. The usual
// one is a [File]: a JSON file that other programs read and write, too. It is
// treated with the respect that somebody else's file deserves:
//
//   - What isn't understood is kept: unknown members at every level, their
//     order, numbers as they were written, even the white space. A change is an
//     edit of the text, not a new text.
//   - A file that can't be read is never overwritten. The error says where it
//     is broken and what to do.
//   - A file that is just being written by a program that doesn't write
//     atomically looks broken or empty for a moment; it is read again, and never
//     taken for an empty history.
//   - Writers take turns through a lock file, across processes, and replace the
//     file as a whole, durably: a crash leaves the old one or the new one.
//   - Only the last runs are kept there; older ones move to an archive beside it,
//     and none is lost between the two.
package history
