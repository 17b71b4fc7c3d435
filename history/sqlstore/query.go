package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
)

// Filter selects runs by their columns. A zero field selects all.
type Filter struct {
	Type, Model, Node, Digest, Suite, Session string
	// Since and Until select runs by when they ended: at Since or later, before
	// Until.
	Since, Until time.Time
}

// Point is a run as its columns have it; see [history.Run].
type Point struct {
	// Position is the run's position in the order of recording.
	Position int64
	// ID, Node and Session are "" if unknown.
	ID, Type, Model, Node, Session string
	// Time is when the run ended, in UTC, to the microsecond; zero if unknown.
	Time time.Time
	// Score is the composite, 0 to 10; PassRate is a percentage.
	Score, PassRate float64
	// Latency is the mean latency.
	Latency time.Duration
	// Tests is the number of tests, Errors of those without an answer.
	Tests, Errors int
	// Crowned is true for a run that made its model the champion.
	Crowned bool
}

// Scores returns the last n runs that the filter selects, oldest first; all if n is
// 0 or negative. It reads only columns, which is much faster than [Store.Runs].
func (s *Store) Scores(ctx context.Context, filter Filter, n int) (points []Point, err error) {
	if n < 1 {
		n = -1
	}
	where, args := filter.where()
	err = s.view(ctx, func(q queryer) error {
		points, err = scores(ctx, q, "SELECT position, id, type, model, node, session, time, score, pass_rate, latency_ms, tests, errors, crowned FROM runs"+
			where+" ORDER BY position DESC LIMIT ?", append(slices.Clone(args), n)...)
		return err
	})
	slices.Reverse(points)
	return points, wrap("read the scores", err)
}

// scores runs a query of points.
func scores(ctx context.Context, q queryer, query string, args ...any) (points []Point, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p Point
		var id, node, session, at sql.NullString
		var latency float64
		if err := rows.Scan(&p.Position, &id, &p.Type, &p.Model, &node, &session, &at, &p.Score, &p.PassRate, &latency, &p.Tests, &p.Errors, &p.Crowned); err != nil {
			return nil, err
		}
		p.ID, p.Node, p.Session = id.String, node.String, session.String
		p.Latency = time.Duration(latency * float64(time.Millisecond))
		if at.Valid {
			if p.Time, err = time.Parse(time.RFC3339Nano, at.String); err != nil {
				return nil, err
			}
		}
		points = append(points, p)
	}
	return points, rows.Err()
}

// Query runs a query; see the package's comment for the tables. A statement that
// changes something fails. The caller has to close the rows.
func (s *Store) Query(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = s.retry(ctx, func() error {
		rows, err = s.read.QueryContext(ctx, query, args...)
		return err
	})
	return rows, wrap("query the history", err)
}

// where returns the filter as SQL.
func (f Filter) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, value any) {
		conditions = append(conditions, condition)
		args = append(args, value)
	}
	for _, column := range []struct{ name, value string }{
		{"type", f.Type}, {"model", f.Model}, {"node", f.Node}, {"digest", f.Digest}, {"suite", f.Suite}, {"session", f.Session},
	} {
		if column.value != "" {
			add(column.name+" = ?", column.value)
		}
	}
	if !f.Since.IsZero() {
		add("time >= ?", stamp(f.Since))
	}
	if !f.Until.IsZero() {
		add("time < ?", stamp(f.Until))
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}
