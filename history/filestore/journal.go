package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/turbone/jarvis/history/internal/jsontext"
)

// The journal is a file of JSON lines beside the history. It holds the recent
// changes, so that those can be restored that were overwritten by a program that
// takes no lock.
//
// A change is appended to the journal, durably, before the history file is
// replaced, together with the state in which the file is left. As long as the file
// is in that state, nothing has to be restored. While another program keeps
// rewriting the file, changes are only appended here; they are written into the
// file together as soon as that succeeds.

const (
	// journalRoom is the size in bytes up to which a journal is not compacted, in
	// addition to twice its size after the last compaction.
	journalRoom = 256 << 10
	// journalTail is the number of bytes in which the last entry is looked for.
	journalTail = 512
)

// entry is a line of the journal. Only some fields are set.
type entry struct {
	// At is when the entry was written.
	At time.Time `json:"at,omitzero"`
	// Run is a row that was recorded, Was are the hashes of its earlier versions.
	Run json.RawMessage `json:"run,omitempty"`
	Was []string        `json:"was,omitempty"`
	// Champion is a champion that was set, Before the value before it, null for
	// none.
	Champion json.RawMessage `json:"champion,omitempty"`
	Before   json.RawMessage `json:"before,omitempty"`
	// Moved are the IDs of rows that were archived, Dropped those of rows that are
	// no longer restored.
	Moved   []string `json:"moved,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
	// ChampionDropped is true if the champion is no longer restored.
	ChampionDropped bool `json:"champion_dropped,omitempty"`
	// Deferred is when changing the file was last tried without success. The changes
	// after the last entry with Left are pending then.
	Deferred time.Time `json:"deferred,omitzero"`
	// Left is the hash of the text in which the file was left, Rows the number of
	// its rows.
	Left string `json:"left,omitempty"`
	Rows int    `json:"rows,omitempty"`
	// Kept is the size in bytes after the compaction that wrote this entry.
	Kept int `json:"kept,omitempty"`
}

// journal is the path of a journal. Its methods that write need the lock of the
// history.
type journal string

func (s *Store) journal() journal { return journal(s.beside(".journal.jsonl")) }

// hash returns a name for a text.
func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// last returns the last entry if it tells the state of the file or a deferment,
// else an empty one. ok is false if there is no journal.
func (j journal) last() (last entry, ok bool, err error) {
	text, err := j.tail()
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read the history's journal: %w", err)
	}
	text, whole := bytes.CutSuffix(text, []byte{'\n'})
	line := text[bytes.LastIndexByte(text, '\n')+1:]
	if !whole || json.Unmarshal(line, &last) != nil || last.Left == "" && last.Deferred.IsZero() {
		return entry{}, true, nil // cut off by a crash
	}
	return last, true, nil
}

// tail reads the end of the journal.
func (j journal) tail() ([]byte, error) {
	file, err := os.Open(string(j))
	if err != nil {
		return nil, err
	}
	defer file.Close() // it is only read
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	text := make([]byte, min(size, journalTail))
	if _, err := file.ReadAt(text, size-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return text, nil
}

// entries reads the whole journal. Lines that a crash cut off are omitted.
func (j journal) entries() ([]entry, error) {
	text, err := os.ReadFile(string(j))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history's journal: %w", err)
	}
	var list []entry
	for line := range bytes.Lines(text) {
		if e, ok := readEntry(line); ok {
			list = append(list, e)
		}
	}
	return list, nil
}

// readEntry parses a line. ok is false if it is no entry. The run is not parsed:
// there are many, and few are ever needed.
func readEntry(line []byte) (e entry, ok bool) {
	members, err := jsontext.ParseObject(line)
	if err != nil {
		return entry{}, false
	}
	rest := jsontext.Object{}
	var run json.RawMessage
	for _, m := range members {
		if m.Key == "run" {
			run = m.Value
		} else {
			rest = append(rest, m)
		}
	}
	short, err := jsontext.Merge(rest, nil, nil)
	if err != nil || json.Unmarshal(short, &e) != nil {
		return entry{}, false
	}
	e.Run = run
	return e, true
}

// append adds entries. When it returns nil, they survive a crash. mode are the
// permissions of a new journal.
func (j journal) append(mode fs.FileMode, list ...entry) error {
	if err := j.write(mode, list); err != nil {
		return fmt.Errorf("log a change in %s: %w", string(j), err)
	}
	return nil
}

func (j journal) write(mode fs.FileMode, list []entry) (err error) {
	lines, err := encodeEntries(list)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(string(j), os.O_RDWR|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...) // after a line that a crash cut off
		}
	}
	if _, err := file.WriteAt(lines, size); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if size == 0 {
		return syncFolder(filepath.Dir(string(j)))
	}
	return nil
}

// encodeEntries returns the lines of entries.
func encodeEntries(list []entry) ([]byte, error) {
	var out bytes.Buffer
	for _, e := range list {
		line, err := jsontext.Encode(e)
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// compact rewrites a journal that became too long without the entries that are no
// longer needed.
func (j journal) compact(now time.Time) error {
	info, err := os.Stat(string(j))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() < journalRoom {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := j.entries()
	if err != nil {
		return err
	}
	if len(list) > 0 && info.Size() < journalRoom+2*int64(list[0].Kept) {
		return nil
	}
	lines, err := encodeEntries(newReplay(list).entries(now))
	if err != nil {
		return err
	}
	first, err := encodeEntries([]entry{{Kept: len(lines)}})
	if err != nil {
		return err
	}
	ready, err := prepare(string(j), append(first, lines...), info.Mode().Perm())
	if err != nil {
		return err
	}
	return ready.commit()
}

// remove deletes the journal.
func (j journal) remove() error {
	if err := os.Remove(string(j)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("begin a new journal: %w", err)
	}
	return nil
}
