package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/turbone/jarvis/history"
)

// Append records a run; see [history.HistoryStore]. A run that [Store.Runs] no
// longer returns is replaced, too.
func (s *Store) Append(ctx context.Context, run history.Run) (history.Appended, error) {
	run, err := run.WithID()
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	text, err := history.Text(run)
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	var done history.Appended
	err = s.change(ctx, func(tx *sql.Tx) error {
		done = history.Appended{ID: run.ID}
		var position sql.NullInt64
		// Of several rows with this ID the last is replaced, as in a file.
		if err := tx.QueryRowContext(ctx, "SELECT max(position) FROM runs WHERE id = ?", run.ID).Scan(&position); err != nil {
			return err
		}
		done.Replaced = position.Valid
		in, err := newInserter(ctx, tx)
		if err != nil {
			return err
		}
		if err := in.put(ctx, position, run, text); err != nil {
			return errors.Join(err, in.close())
		}
		if err := in.close(); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM runs").Scan(&done.Total)
	})
	if err != nil {
		return history.Appended{}, fmt.Errorf("append a run: %w", err)
	}
	if s.keep > 0 {
		done.Total = min(done.Total, s.keep)
	}
	return done, nil
}

// Runs returns the runs, oldest first, as many as [Keep] allows. [Store.Last] is
// faster if only the latest are needed.
func (s *Store) Runs(ctx context.Context) ([]history.Run, error) {
	limit := -1
	if s.keep > 0 {
		limit = s.keep
	}
	return s.last(ctx, "json", limit)
}

// Last returns the last n runs, or fewer, in the order in which they were recorded;
// none if n is 0 or negative. Their Results are omitted, which makes it fast: such a
// run must not be appended again.
func (s *Store) Last(ctx context.Context, n int) ([]history.Run, error) {
	return s.last(ctx, "coalesce(summary, json)", max(n, 0))
}

// last returns the last runs, all if the limit is negative. column is what they are
// read from.
func (s *Store) last(ctx context.Context, column string, limit int) (runs []history.Run, err error) {
	err = s.view(ctx, func(q queryer) (err error) {
		runs, err = s.decode(ctx, q, "SELECT run, "+column+" FROM run_json ORDER BY run DESC LIMIT ?", limit)
		return err
	})
	slices.Reverse(runs)
	return runs, wrap("read the runs", err)
}

// Archived returns the runs that [Store.Runs] omits because of [Keep], oldest first.
func (s *Store) Archived(ctx context.Context) (runs []history.Run, err error) {
	if s.keep < 1 {
		return nil, nil
	}
	err = s.view(ctx, func(q queryer) (err error) {
		runs, err = s.decode(ctx, q, "SELECT run, json FROM run_json ORDER BY run DESC LIMIT -1 OFFSET ?", s.keep)
		return err
	})
	slices.Reverse(runs)
	return runs, wrap("read archived runs", err)
}

// decode runs a query of positions and runs.
func (s *Store) decode(ctx context.Context, q queryer, query string, args ...any) (runs []history.Run, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var position int64
		var text []byte
		if err := rows.Scan(&position, &text); err != nil {
			return nil, err
		}
		var run history.Run
		if err := json.Unmarshal(text, &run); err != nil {
			return nil, s.unreadable(fmt.Errorf("mend or delete the run at position %d: %w", position, err))
		}
		runs = append(runs, run)
	}
	return runs, rows.Err()
}

// Champion returns the champion, and false if there is none.
func (s *Store) Champion(ctx context.Context) (champion history.Champion, there bool, err error) {
	err = s.view(ctx, func(q queryer) (err error) {
		champion, there, err = s.champion(ctx, q)
		return err
	})
	if err != nil {
		return history.Champion{}, false, wrap("read the champion", err)
	}
	return champion, there, nil
}

// champion reads the last champion.
func (s *Store) champion(ctx context.Context, q queryer) (champion history.Champion, there bool, err error) {
	var position int64
	var text []byte
	err = q.QueryRowContext(ctx, "SELECT position, json FROM champions ORDER BY position DESC LIMIT 1").Scan(&position, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return history.Champion{}, false, nil
	}
	if err != nil {
		return history.Champion{}, false, err
	}
	if err := json.Unmarshal(text, &champion); err != nil {
		return history.Champion{}, false, s.unreadable(fmt.Errorf("mend or delete the champion at position %d: %w", position, err))
	}
	return champion, champion.Model != "", nil
}

// SetChampion replaces the champion. The one before remains in the table champions.
func (s *Store) SetChampion(ctx context.Context, champion history.Champion) error {
	text, err := history.Text(champion)
	if err == nil {
		err = s.change(ctx, func(tx *sql.Tx) error { return crown(ctx, tx, champion, text) })
	}
	return wrap("record the champion", err)
}

// crown inserts a champion.
func crown(ctx context.Context, tx *sql.Tx, c history.Champion, text []byte) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO champions (since, model, score, node, run_id, json) VALUES (?, ?, ?, ?, ?, ?)",
		stamp(c.Since), c.Model, c.Score, some(c.Node), some(c.RunID), string(text))
	return err
}

// wrap says what failed.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
