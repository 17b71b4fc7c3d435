// Package progress prints the progress of a tournament: one changing line on a
// terminal, plain lines elsewhere.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/scoring"
)

const (
	// barWidth is that of the bar itself.
	barWidth = 20
	// plainEvery is after how many tests a plain line tells how far it is.
	plainEvery = 20
)

// Printer is an [arena.Sink]. Safe for concurrent use.
type Printer struct {
	mu      sync.Mutex
	line    *Line
	weights scoring.Composite
	now     func() time.Time

	model   string
	tests   []scoring.Test
	verdict string
	// several says that the best of several candidates is still looked for.
	several bool
	began   time.Time
	first   int // tests made before began
}

// New makes a printer, with a line that changes if w is a terminal.
func New(w io.Writer) *Printer {
	return &Printer{line: NewLine(w), now: time.Now, weights: scoring.Default()}
}

// Weigh sets the weights of the running score; the default ones are those of
// [scoring.Default].
func (p *Printer) Weigh(weights scoring.Composite) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weights = weights
}

// Emit shows an event.
func (p *Printer) Emit(e arena.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case arena.EventWarming:
		return
	case arena.EventStarted, arena.EventResumed:
		p.several = e.Candidates > 0
	case arena.EventChosen:
		p.several = false
	case arena.EventDropped:
		if !p.several {
			return // the tournament ends with it, and the command tells it
		}
	case arena.EventTest:
		p.test(e)
		return
	case arena.EventLook, arena.EventConfirmed:
		p.verdict = fmt.Sprintf("gap %+.2f", e.Look.Estimate)
		if e.Look.Upper != 0 { // the plain rule has no bound
			p.verdict += fmt.Sprintf(" z %.1f/%.1f", e.Look.Z, e.Look.Upper)
		}
	case arena.EventPromoted, arena.EventRetained:
		p.line.Clear()
		return // the command tells it
	}
	p.line.Print(e.String())
}

// Note prints a line of the command's own.
func (p *Printer) Note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Print("note: " + fmt.Sprintf(format, args...))
}

// Clear takes the line that changes away.
func (p *Printer) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Clear()
}

// test counts a test and shows how far it is.
func (p *Printer) test(e arena.Event) {
	if e.Model != p.model {
		p.model, p.tests, p.began, p.first = e.Model, nil, p.now(), e.Done-1
	}
	p.tests = append(p.tests, *e.Test)
	if p.line.Columns == nil {
		if len(p.tests)%plainEvery == 0 {
			p.line.Print(fmt.Sprintf("%s: %s", e.Node, p.text(e)))
		}
		return
	}
	filled := barWidth * e.Done / max(e.Most, 1)
	bar := strings.Repeat("█", min(filled, barWidth)) + strings.Repeat("░", max(barWidth-filled, 0))
	p.line.Changing(bar + " " + p.text(e))
}

func (p *Printer) text(e arena.Event) string {
	sample := scoring.Measure(p.tests)
	score := p.weights.Score(sample)
	text := fmt.Sprintf("%d/%d %s %.0f %% passed, score %.2f", e.Done, e.Most, e.Model, 100*float64(sample.Passed)/float64(sample.Tests), score.Composite)
	if sample.Errors > 0 {
		text += fmt.Sprintf(", %d without an answer", sample.Errors)
	}
	if made := e.Done - p.first; made > 2 {
		left := p.now().Sub(p.began) / time.Duration(made) * time.Duration(max(e.Most-e.Done, 0))
		text += ", at most " + duration.Text(left) + " more"
	}
	if p.verdict != "" {
		text += ", " + p.verdict
	}
	return text
}
