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

	"github.com/turbone/jarvis/scoring"
)

// journal is a session's file: JSON lines, of which the first is the session
// and each other one thing that happened. A process that is killed loses at
// most the line it was writing, a power cut the lines since the last sync.
type journal struct {
	file *os.File // nil keeps nothing
}

// line is one thing that happened in a session; one of its fields is set.
type line struct {
	Session  *session      `json:"session,omitempty"`
	Test     *testLine     `json:"test,omitempty"`
	Look     *scoring.Look `json:"look,omitempty"`
	Confirm  *scoring.Look `json:"confirm,omitempty"`
	Unsteady *unsteadyLine `json:"unsteady,omitempty"`
	Failure  string        `json:"failure,omitempty"`
	// Out: one of the field can't go on. Chosen: one of it became the
	// candidate.
	Out    *outLine `json:"out,omitempty"`
	Chosen *int     `json:"chosen,omitempty"`
	// Restored: the node serves what it served before.
	Restored bool `json:"restored,omitempty"`
}

type testLine struct {
	Block block `json:"block"`
	Index int   `json:"index,omitempty"`
	scoring.Test
}

type outLine struct {
	Index int    `json:"index"`
	Why   string `json:"why"`
}

type unsteadyLine struct {
	Role Role   `json:"role"`
	Why  string `json:"why"`
}

// journalEnding ends the names of the sessions' files.
const journalEnding = ".session.jsonl"

func journalPath(folder string, s session) string {
	return filepath.Join(folder, url.QueryEscape(s.Node)+"-"+s.ID+journalEnding)
}

// newJournal starts a session's journal.
func newJournal(folder string, s session) (*journal, error) {
	if folder == "" {
		return &journal{}, nil
	}
	f, err := os.OpenFile(journalPath(folder, s), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("arena: start the journal: %w", err)
	}
	j := &journal{f}
	if err := j.write(line{Session: &s}, true); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// openJournal goes on with a journal. A last line that was cut off is removed.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("arena: go on with the journal: %w", err)
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
		return nil, errors.Join(fmt.Errorf("arena: go on with the journal: %w", err), f.Close())
	}
	return &journal{f}, nil
}

// write adds a line; sync makes it and all before it survive a power cut.
func (j *journal) write(l line, sync bool) error {
	if j.file == nil {
		return nil
	}
	text, err := json.Marshal(l)
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

// remove ends the journal of a session whose outcome is recorded elsewhere.
func (j *journal) remove() error {
	if j.file == nil {
		return nil
	}
	// Windows removes no open file.
	return errors.Join(j.file.Close(), os.Remove(j.file.Name()))
}

// readJournal returns what is in a journal. restored says that the node
// serves what it did before the session. A line that was cut off is left out.
func readJournal(path string) (p *progress, restored bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("arena: read the journal: %w", err)
	}
	scanner := bufio.NewScanner(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
	scanner.Buffer(nil, 1<<20)
	number := 0
	for scanner.Scan() {
		number++
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, false, fmt.Errorf("arena: %s:%d: %w; remove the file to forget this session", path, number, err)
		}
		switch {
		case number == 1 && l.Session == nil:
			return nil, false, fmt.Errorf("arena: %s: the first line is no session; remove the file", path)
		case number == 1:
			if l.Session.Tasks <= 0 {
				return nil, false, fmt.Errorf("arena: %s: a session without tasks; remove the file", path)
			}
			p = newProgress(*l.Session)
			continue
		}
		restored = l.Restored
		p.replay(l)
	}
	if err := scanner.Err(); err != nil {
		return nil, false, fmt.Errorf("arena: %s:%d: %w", path, number+1, err)
	}
	if p == nil {
		return nil, false, fmt.Errorf("arena: %s: %w", path, errEmptyJournal)
	}
	return p, restored, nil
}

// errEmptyJournal: the process ended before anything was written, and so
// before anything was done.
var errEmptyJournal = errors.New("the journal is empty")

func (p *progress) replay(l line) {
	switch {
	case l.Test != nil:
		p.add(l.Test.Block, l.Test.Index, l.Test.Test)
	case l.Look != nil:
		p.looks = append(p.looks, *l.Look)
	case l.Confirm != nil:
		p.confirmed = l.Confirm
	case l.Unsteady != nil:
		p.unsteady[l.Unsteady.Role] = l.Unsteady.Why
	case l.Failure != "":
		p.failure = l.Failure
	case l.Out != nil && l.Out.Index >= 0 && l.Out.Index < len(p.field):
		p.field[l.Out.Index].out = l.Out.Why
	case l.Chosen != nil && *l.Chosen >= 0 && *l.Chosen < len(p.field):
		p.Candidate = p.field[*l.Chosen].model
	}
}

// journals returns the paths of all journals in a folder, newest first.
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
