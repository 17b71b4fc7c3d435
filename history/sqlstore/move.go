package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/turbone/jarvis/history"
)

// Content returns the content of the database, archived runs included; see
// [history.Movable].
func (s *Store) Content(ctx context.Context) (content history.Content, err error) {
	err = s.view(ctx, func(q queryer) (err error) {
		content = history.Content{}
		if content.Runs, err = s.decode(ctx, q, "SELECT run, json FROM run_json ORDER BY run"); err != nil {
			return err
		}
		champion, there, err := s.champion(ctx, q)
		if err != nil {
			return err
		}
		if there {
			content.Champion = &champion
		}
		content.Extra, err = members(ctx, q)
		return err
	})
	if err != nil {
		return history.Content{}, wrap("read the history", err)
	}
	return content, nil
}

// members returns the other members of the history.
func members(ctx context.Context, q queryer) (extra map[string]json.RawMessage, err error) {
	rows, err := q.QueryContext(ctx, "SELECT key, json FROM members")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key string
		var text []byte
		if err := rows.Scan(&key, &text); err != nil {
			return nil, err
		}
		if extra == nil {
			extra = map[string]json.RawMessage{}
		}
		extra[key] = text
	}
	return extra, rows.Err()
}

// Import merges the content of another store into this one, in one transaction; see
// [history.Movable].
func (s *Store) Import(ctx context.Context, content history.Content) (done history.Imported, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		done = history.Imported{}
		if err := importRuns(ctx, tx, content.Runs, &done); err != nil {
			return err
		}
		if c := content.Champion; c != nil {
			text, err := history.Text(*c)
			if err != nil {
				return fmt.Errorf("champion: %w", err)
			}
			was, there, err := s.champion(ctx, tx)
			if err != nil {
				return err
			}
			done.Crowned = !there
			if there && !c.Since.Before(was.Since) {
				old, err := history.Text(was)
				if err != nil {
					return err
				}
				done.Crowned = !bytes.Equal(old, text)
			}
			if done.Crowned {
				if err := crown(ctx, tx, *c, text); err != nil {
					return err
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(content.Extra)) {
			if _, err := tx.ExecContext(ctx, "INSERT INTO members (key, json) VALUES (?, ?) ON CONFLICT DO NOTHING", key, string(content.Extra[key])); err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM runs").Scan(&done.Total)
	})
	if err != nil {
		return history.Imported{}, wrap("import a history", err)
	}
	return done, nil
}

// place is a run in the database.
type place struct {
	position int64
	tests    int
	text     string
}

// importRuns merges runs into the database.
func importRuns(ctx context.Context, tx *sql.Tx, runs []history.Run, done *history.Imported) (err error) {
	there, err := places(ctx, tx)
	if err != nil {
		return err
	}
	in, err := newInserter(ctx, tx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	for i, run := range runs {
		key, err := history.Key(run)
		if err != nil {
			return fmt.Errorf("run %d of %d: %w", i+1, len(runs), err)
		}
		text, err := history.Text(run)
		if err != nil {
			return fmt.Errorf("run %d of %d: %w", i+1, len(runs), err)
		}
		var position sql.NullInt64
		if list := there[key]; len(list) > 0 {
			old := list[0]
			there[key] = list[1:]
			if run.Tests < old.tests || string(text) == old.text {
				continue
			}
			position = sql.NullInt64{Int64: old.position, Valid: true}
			done.Replaced++
		} else {
			done.Added++
		}
		if err := in.put(ctx, position, run, text); err != nil {
			return fmt.Errorf("run %d of %d: %w", i+1, len(runs), err)
		}
	}
	return nil
}

// places returns the runs in the database by their [history.Key].
func places(ctx context.Context, tx *sql.Tx) (there map[string][]place, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT position, coalesce(id, ''), tests, json FROM runs JOIN run_json ON run = position ORDER BY position")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	there = map[string][]place{}
	for rows.Next() {
		var p place
		var id string
		if err := rows.Scan(&p.position, &id, &p.tests, &p.text); err != nil {
			return nil, err
		}
		key := "text " + p.text
		if id != "" {
			key = "id " + id
		}
		there[key] = append(there[key], p)
	}
	return there, rows.Err()
}
