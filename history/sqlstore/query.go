package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/turbone/jarvis/scoring"
)

// Filter picks runs; an empty field picks all.
type Filter struct {
	Type, Model, Node, Digest, Suite, Session string
	// Since and Until bound when a run ended; Until itself is out.
	Since, Until time.Time
}

// Point is what the columns say about a run.
type Point struct {
	// Position orders runs as they were recorded.
	Position int64
	// ID, Node and Session are "" where unknown.
	ID, Type, Model, Node, Session string
	// Time is when it ended, in UTC, to the microsecond; zero where unknown.
	Time time.Time
	// Score is the composite, 0 to 10; PassRate 0 to 100.
	Score, PassRate float64
	// Latency is the mean.
	Latency time.Duration
	// Errors of Tests got no answer.
	Tests, Errors int
	// Crowned says that the run made its model the champion.
	Crowned bool
}

// Scores returns the last n runs that the filter picks, oldest first, without
// what only their JSON says; n below 1 takes all.
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

// Trend returns by how much the score changes from run to run, in the last n
// runs that the filter picks; see [scoring.Trend]. It is 0 for fewer than two
// runs.
func (s *Store) Trend(ctx context.Context, filter Filter, n int) (float64, error) {
	points, err := s.Scores(ctx, filter, n)
	if err != nil {
		return 0, err
	}
	list := make([]float64, len(points))
	for i, p := range points {
		list[i] = p.Score
	}
	slope, _, _ := scoring.Trend(list)
	return slope, nil
}

// Query runs a query of the caller's own; see the package's comment for the
// tables. It can't change anything. The rows have to be closed.
func (s *Store) Query(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = s.patiently(ctx, func() error {
		rows, err = s.read.QueryContext(ctx, query, args...)
		return err
	})
	return rows, wrap("query the history", err)
}

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
