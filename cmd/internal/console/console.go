// Package console prints events as lines and a status as a table, with colours
// on a terminal.
package console

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/turbone/jarvis/cmd/internal/table"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/internal/duration"
)

// Printer prints to one writer. Safe for concurrent use.
type Printer struct {
	mu     sync.Mutex
	w      io.Writer
	colour bool
}

// New makes a printer, with colours if w is a terminal and NO_COLOR is not
// set (see no-color.org).
func New(w io.Writer) *Printer {
	f, ok := w.(*os.File)
	return &Printer{w: w, colour: ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))}
}

// Coloured makes a printer with or without colours, whatever w is.
func Coloured(w io.Writer, colour bool) *Printer { return &Printer{w: w, colour: colour} }

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	grey   = "\x1b[90m"
	reset  = "\x1b[0m"
)

func (p *Printer) paint(colour, text string) string {
	if !p.colour || colour == "" {
		return text
	}
	return colour + text + reset
}

var toneColours = map[healer.Tone]string{healer.Good: green, healer.Warning: yellow, healer.Bad: red}

// Emit prints an event as a line of the log. Write errors are ignored: they must
// not stop the healer.
func (p *Printer) Emit(e healer.Event) {
	line := healer.LogLine(e)
	if stamp, text, ok := strings.Cut(line, "] "); ok && p.colour {
		line = p.paint(grey, stamp+"]") + " " + p.paint(toneColours[e.Type.Info().Tone], text)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintln(p.w, line)
}

var stateColours = map[healer.State]string{
	healer.Healthy: green, healer.Unknown: grey, healer.Maintenance: grey,
	healer.Offline: red, healer.Misconfigured: red,
}

// Status prints a status as a table. Source is printed as its origin; ages count
// from now.
func (p *Printer) Status(s healer.Status, source string, now time.Time) {
	const stateColumn = 2
	rows := [][]string{{"NODE", "ENGINE", "STATE", "MODEL", "LATENCY", "LAST OK"}}
	for _, n := range s.Nodes {
		rows = append(rows, []string{n.Name, n.Engine, string(n.State), modelOf(n), latency(n), age(n.LastOK, now)})
	}
	lines := table.Lines(rows, func(row, column int, cell string) string {
		if row == 0 || column != stateColumn {
			return cell
		}
		colour, ok := stateColours[s.Nodes[row-1].State]
		if !ok {
			colour = yellow
		}
		return p.paint(colour, cell)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	serving := s.Serving
	if serving == "" {
		serving = "nobody"
	}
	fmt.Fprintf(&b, "serving: %s (%s)\n", serving, source)
	if s.Champion != nil {
		fmt.Fprintf(&b, "champion: %s, score %.1f, since %s\n", s.Champion.Model, s.Champion.Score, s.Champion.Since)
	}
	b.WriteString("\n")
	for r, line := range lines {
		b.WriteString(line + "\n")
		if r > 0 {
			if n := s.Nodes[r-1]; n.LastError != "" && n.State != healer.Healthy {
				fmt.Fprintf(&b, "  %s\n", healer.OneLine(n.LastError))
			}
			if by := s.Nodes[r-1].LeasedBy; by != "" {
				fmt.Fprintf(&b, "  leased by %s\n", healer.OneLine(by))
			}
			if p := s.Nodes[r-1].Paused; p != nil {
				b.WriteString("  " + Paused(p, now) + "\n")
			}
			if wait := s.Nodes[r-1].NextRepair.Sub(now); wait > 0 {
				fmt.Fprintf(&b, "  the next repair is in %s, after %d without success\n", duration.Text(wait), s.Nodes[r-1].Attempts)
			}
		}
	}
	_, _ = io.WriteString(p.w, b.String())
}

// Paused returns a pause in words: how long it lasts from now, and why.
func Paused(p *healer.Pause, now time.Time) string {
	text := "repairs are paused until they are resumed"
	if !p.Until.IsZero() {
		text = fmt.Sprintf("repairs are paused for %s more, until %s", duration.Text(p.Until.Sub(now)), p.Until.Local().Format("2006-01-02 15:04:05"))
	}
	if p.Why != "" {
		text += ": " + healer.OneLine(p.Why)
	}
	return text
}

func modelOf(n healer.NodeStatus) string {
	loaded := healer.OneLine(strings.Join(n.Loaded, ", "))
	switch {
	case n.Wanted == "" && loaded == "":
		return "-"
	case n.Wanted == "":
		return loaded
	case loaded == "" && n.State == healer.Maintenance: // it may not have been asked
		return n.Wanted
	case loaded == "":
		return n.Wanted + " (not loaded)"
	case loaded != n.Wanted:
		return n.Wanted + " (loaded: " + loaded + ")"
	case n.Asleep:
		return n.Wanted + " (asleep)"
	}
	return n.Wanted
}

func latency(n healer.NodeStatus) string {
	if n.LastOK.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%d ms", n.LatencyMS)
}

func age(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < 2*time.Second:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
