package arena

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// journal is the file of a session: JSON lines, the session first, then one line
// for each thing that happened. A process that is killed loses at most the line
// that it was writing, a power cut the lines since the last sync.
type journal struct {
	file *os.File // nil keeps nothing
}

// journalEnding is the end of a journal's file name.
const journalEnding = ".session.jsonl"

func journalPath(folder string, s session) string {
	return filepath.Join(folder, url.QueryEscape(s.Node)+"-"+s.ID+journalEnding)
}

// newJournal creates a session's journal. Without a folder it keeps nothing.
func newJournal(folder string, s session) (*journal, error) {
	if folder == "" {
		return &journal{}, nil
	}
	f, err := os.OpenFile(journalPath(folder, s), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("arena: start the journal: %w", err)
	}
	j := &journal{f}
	if err := j.write(entry{Session: &s}, true); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// openJournal opens a journal to continue it. A last line that is incomplete is
// removed.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("arena: continue the journal: %w", err)
	}
	text, err := os.ReadFile(path)
	whole := int64(bytes.LastIndexByte(text, '\n') + 1)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("arena: continue the journal: %w", err), f.Close())
	}
	return &journal{f}, nil
}

// write appends an entry. sync makes it and all before it survive a power cut.
func (j *journal) write(e entry, sync bool) error {
	if j.file == nil || e.transient() {
		return nil
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(text, '\n'))
	}
	if err == nil && sync {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("arena: write the journal: %w; see that the disk has room", err)
	}
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// remove closes and deletes the journal of a session whose outcome is in the
// history.
func (j *journal) remove() error {
	if j.file == nil {
		return nil
	}
	// Windows removes no open file.
	return errors.Join(j.file.Close(), os.Remove(j.file.Name()))
}

// readJournal returns the session of a journal and whether its node serves again
// what it served before. A last line that is incomplete is left out.
func readJournal(path string) (p *progress, restored bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("arena: read the journal: %w", err)
	}
	p, restored, err = parseJournal(text)
	if err != nil {
		return nil, false, fmt.Errorf("arena: %s%w", path, err)
	}
	return p, restored, nil
}

// parseJournal replays a journal's lines. Its errors begin with the place.
func parseJournal(text []byte) (p *progress, restored bool, err error) {
	scanner := bufio.NewScanner(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	scanner.Buffer(nil, 1<<20)
	number := 0
	for scanner.Scan() {
		number++
		var e entry
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			return nil, false, fmt.Errorf(":%d: %w; remove the file to forget this session", number, err)
		}
		switch {
		case number > 1:
			restored = e.Restored
			p.apply(e)
		case e.Session == nil:
			return nil, false, errors.New(": the first line is no session; remove the file")
		case e.Session.Tasks <= 0:
			return nil, false, errors.New(": a session without tasks; remove the file")
		default:
			p = newProgress(*e.Session)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, false, fmt.Errorf(":%d: %w", number+1, err)
	}
	if p == nil {
		return nil, false, fmt.Errorf(": %w", errEmptyJournal)
	}
	if p.silent >= deadAfter {
		p.pause(anewMost)
	}
	p.silent = 0 // the model will be loaded anew
	return p, restored, nil
}

// errEmptyJournal is the error for a journal without a line: its process ended
// before it did anything.
var errEmptyJournal = errors.New("the journal is empty")

// journals returns the paths of all journals in a folder, the latest first.
func journals(folder string) ([]string, error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("arena: look for unfinished sessions: %w", err)
	}
	type dated struct {
		path string
		time time.Time
	}
	var list []dated
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), journalEnding) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		list = append(list, dated{filepath.Join(folder, e.Name()), info.ModTime()})
	}
	slices.SortFunc(list, func(a, b dated) int { return b.time.Compare(a.time) })
	paths := make([]string, len(list))
	for i, d := range list {
		paths[i] = d.path
	}
	return paths, nil
}
