package filestore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestRestore restores documents from journals as testdata/restore.txt has them. The
// commands are
//
//	restore [now=MINUTE] [modified=MINUTE]
//	compact [now=MINUTE]
//
// with a line for each entry of the journal, and the last for the file:
//
//	MINUTE run ID:VERSION [replaced VERSION]
//	MINUTE champion MODEL [replaced MODEL]
//	MINUTE moved ID...
//	MINUTE dropped ID...
//	MINUTE uncrowned
//	MINUTE left ROWS
//	MINUTE deferred ROWS
//	file ID:VERSION... [champion=MODEL]
//
// The answer is the restored file and the entries for the journal. A compacted
// journal has to give the same answer; compact shows its entries.
func TestRestore(t *testing.T) {
	datadriven.RunTest(t, "testdata/restore.txt", func(t *testing.T, d *datadriven.TestData) string {
		now, modified := 60, 60
		d.MaybeScanArgs(t, "now", &now)
		d.MaybeScanArgs(t, "modified", &modified)
		var list []entry
		var file string
		for line := range strings.Lines(d.Input) {
			fields := strings.Fields(line)
			if fields[0] == "file" {
				file = fileText(fields[1:])
				continue
			}
			list = append(list, journalled(t, d, fields))
		}
		if d.Cmd == "compact" {
			return entryLines(newReplay(list).entries(minute(now)))
		}
		answer := func(r *replay) string {
			doc, err := parse([]byte(file))
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			doc.modified = minute(modified)
			out, err := r.restore(doc, minute(now))
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return described(doc, out)
		}
		got := answer(newReplay(list))
		if again := answer(newReplay(newReplay(list).entries(minute(now)))); again != got {
			d.Fatalf(t, "the compacted journal gives\n%s\nnot\n%s", again, got)
		}
		return got
	})
}

func minute(n int) time.Time {
	return time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
}

func rowText(id, version string) json.RawMessage {
	return fmt.Appendf(nil, `{"run_id":%q,"version":%q}`, id, version)
}

func championText(model string) json.RawMessage { return fmt.Appendf(nil, `{"model":%q}`, model) }

func fileText(fields []string) string {
	var rows []string
	members := ""
	for _, field := range fields {
		if model, ok := strings.CutPrefix(field, "champion="); ok {
			members = `"champion": ` + string(championText(model)) + ", "
			continue
		}
		id, version, _ := strings.Cut(field, ":")
		rows = append(rows, string(rowText(id, version)))
	}
	return "{" + members + `"runs": [` + strings.Join(rows, ", ") + "]}"
}

func journalled(t *testing.T, d *datadriven.TestData, fields []string) entry {
	at, err := strconv.Atoi(fields[0])
	if err != nil {
		d.Fatalf(t, "%v: %v", fields, err)
	}
	e := entry{At: minute(at)}
	rows := func() int {
		n, err := strconv.Atoi(fields[2])
		if err != nil {
			d.Fatalf(t, "%v: %v", fields, err)
		}
		return n
	}
	switch fields[1] {
	case "run":
		id, version, _ := strings.Cut(fields[2], ":")
		e.Run = rowText(id, version)
		if len(fields) > 4 {
			e.Was = []string{canonical(rowText(id, fields[4]))}
		}
	case "champion":
		e.Champion, e.Before = championText(fields[2]), json.RawMessage("null")
		if len(fields) > 4 {
			e.Before = championText(fields[4])
		}
	case "moved":
		e.Moved = fields[2:]
	case "dropped":
		e.Dropped = fields[2:]
	case "uncrowned":
		e.ChampionDropped = true
	case "left":
		e.Left, e.Rows = "x", rows()
	case "deferred":
		e.Deferred, e.Rows = minute(at), rows()
	default:
		d.Fatalf(t, "unknown entry %v", fields)
	}
	return e
}

func entryLines(list []entry) string {
	var text strings.Builder
	version := func(row json.RawMessage) (v struct{ Version, Model string }) {
		_ = json.Unmarshal(row, &v)
		return v
	}
	for _, e := range list {
		fmt.Fprintf(&text, "%d", int(e.At.Sub(minute(0)).Minutes()))
		if e.Run != nil {
			fmt.Fprintf(&text, " run %s:%s, %d versions before", runID(e.Run), version(e.Run).Version, len(e.Was))
		}
		if e.Champion != nil {
			fmt.Fprintf(&text, " champion %s", version(e.Champion).Model)
		}
		if e.Moved != nil {
			fmt.Fprintf(&text, " moved %s", strings.Join(e.Moved, " "))
		}
		if e.Left != "" {
			fmt.Fprintf(&text, " left %d", e.Rows)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

func described(before *document, out restored) string {
	var text strings.Builder
	if !out.changed && string(out.Text) == string(before.Text) {
		text.WriteString("as it is\n")
	} else {
		text.WriteString("file")
		for i := range out.runs {
			var row struct {
				ID      string `json:"run_id"`
				Version string
			}
			if err := json.Unmarshal(out.row(i), &row); err != nil {
				return err.Error()
			}
			text.WriteString(" " + row.ID + ":" + row.Version)
		}
		if out.hasChampion {
			var champion struct{ Model string }
			if err := json.Unmarshal(out.At(out.champion), &champion); err != nil {
				return err.Error()
			}
			text.WriteString(" champion=" + champion.Model)
		}
		text.WriteByte('\n')
	}
	for _, e := range out.entries {
		if len(e.Dropped) == 0 && !e.ChampionDropped {
			text.WriteString("an empty entry\n")
		}
		if len(e.Dropped) > 0 {
			fmt.Fprintf(&text, "dropped %s\n", strings.Join(e.Dropped, " "))
		}
		if e.ChampionDropped {
			text.WriteString("uncrowned\n")
		}
	}
	return text.String()
}
