package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/turbone/jarvis/history"
)

// inserter inserts runs in one transaction.
type inserter struct {
	remove, run, text, test, part *sql.Stmt
}

func newInserter(ctx context.Context, tx *sql.Tx) (*inserter, error) {
	in := &inserter{}
	for _, statement := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&in.remove, "DELETE FROM runs WHERE position = ?"},
		{&in.run, `INSERT INTO runs (position, id, time, type, model, node, digest, quantization, engine, engine_version, suite, session,
			crowned, unsteady, score, pass_rate, tests, errors, latency_ms, p95_ms, first_token_ms)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&in.text, "INSERT INTO run_json (run, summary, json) VALUES (?, ?, ?)"},
		{&in.test, `INSERT INTO tests (run, number, task, domain, cycle, passed, outcome, latency_us, first_token_us, tokens, mark)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&in.part, "INSERT INTO parts (run, kind, name, pass, total, latency_ms) VALUES (?, ?, ?, ?, ?, ?)"},
	} {
		var err error
		if *statement.to, err = tx.PrepareContext(ctx, statement.query); err != nil {
			return nil, errors.Join(err, in.close())
		}
	}
	return in, nil
}

func (in *inserter) close() error {
	var errs []error
	for _, statement := range []*sql.Stmt{in.remove, in.run, in.text, in.test, in.part} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	return errors.Join(errs...)
}

// put writes a run at a position, replacing the one there, or after all others if
// the position is null. text is its JSON.
func (in *inserter) put(ctx context.Context, place sql.NullInt64, r history.Run, text []byte) error {
	if place.Valid {
		if _, err := in.remove.ExecContext(ctx, place.Int64); err != nil {
			return err
		}
	}
	done, err := in.run.ExecContext(ctx, place, some(r.ID), stamp(r.Time), r.Type, r.Model, some(r.Node), some(r.Digest), some(r.Quantization),
		some(r.Engine), some(r.EngineVersion), some(r.Suite), some(r.Session), r.Crowned, some(r.Unsteady), r.Score, r.PassRate,
		r.Tests, r.ErrorCount(), milliseconds(r.Latency), known(r.P95), known(r.FirstToken))
	if err != nil {
		return err
	}
	position, err := done.LastInsertId()
	if err != nil {
		return err
	}
	var summary any
	if len(r.Results) > 0 {
		short := r
		short.Results = nil
		text, err := history.Text(short)
		if err != nil {
			return err
		}
		summary = string(text)
	}
	if _, err := in.text.ExecContext(ctx, position, summary, string(text)); err != nil {
		return err
	}
	for kind, parts := range map[string]map[string]history.Tally{"node": r.ByNode, "domain": r.ByDomain} {
		for name, part := range parts {
			var latency any
			if part.Latency != nil {
				latency = milliseconds(*part.Latency)
			}
			if _, err := in.part.ExecContext(ctx, position, kind, name, part.Pass, part.Total, latency); err != nil {
				return err
			}
		}
	}
	for number, t := range r.Results {
		var first, tokens any
		if t.FirstToken != 0 {
			first = t.FirstToken.Microseconds()
		}
		if t.Tokens != 0 {
			tokens = t.Tokens
		}
		if _, err := in.test.ExecContext(ctx, position, number, t.Task, t.Domain, t.Cycle, t.Passed, string(t.Outcome),
			t.Latency.Microseconds(), first, tokens, some(string(t.Anomaly))); err != nil {
			return err
		}
	}
	return nil
}

// some returns NULL for "".
func some(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// known returns NULL for zero, else milliseconds.
func known(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return milliseconds(d)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timeLayout has a fixed length, so that the text sorts, and is read by the date
// functions of SQLite.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// stamp returns a time as text, NULL for the zero time.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeLayout)
}
