package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
)

// application is the application ID of the database ("JRVS"). It tells an empty
// history from a database of another program.
const application = 0x4a525653

// schema are the migrations from an empty database to the newest layout. The number
// of migrations done is the database's user_version. A released migration is never
// changed.
var schema = []string{`
CREATE TABLE runs (
	position INTEGER PRIMARY KEY,
	id TEXT,
	time TEXT,
	type TEXT NOT NULL,
	model TEXT NOT NULL,
	node TEXT,
	digest TEXT,
	quantization TEXT,
	engine TEXT,
	engine_version TEXT,
	suite TEXT,
	session TEXT,
	crowned INTEGER NOT NULL,
	unsteady TEXT,
	score REAL NOT NULL,
	pass_rate REAL NOT NULL,
	tests INTEGER NOT NULL,
	errors INTEGER NOT NULL,
	latency_ms REAL NOT NULL,
	p95_ms REAL,
	first_token_ms REAL
);
CREATE INDEX runs_id ON runs (id);
CREATE INDEX runs_time ON runs (time);
CREATE INDEX runs_model ON runs (model);
CREATE INDEX runs_node ON runs (node);
CREATE INDEX runs_suite ON runs (suite);
CREATE INDEX runs_session ON runs (session) WHERE session IS NOT NULL;

CREATE TABLE run_json (
	run INTEGER PRIMARY KEY,
	summary TEXT,
	json TEXT NOT NULL
);

CREATE TABLE tests (
	run INTEGER NOT NULL,
	number INTEGER NOT NULL,
	task TEXT NOT NULL,
	domain TEXT NOT NULL,
	cycle INTEGER NOT NULL,
	passed INTEGER NOT NULL,
	outcome TEXT NOT NULL,
	latency_us INTEGER NOT NULL,
	first_token_us INTEGER,
	tokens INTEGER,
	mark TEXT,
	PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX tests_task ON tests (task, run);

CREATE TABLE parts (
	run INTEGER NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('node', 'domain')),
	name TEXT NOT NULL,
	pass INTEGER NOT NULL,
	total INTEGER NOT NULL,
	latency_ms REAL,
	PRIMARY KEY (run, kind, name)
) WITHOUT ROWID;

CREATE TRIGGER runs_deleted AFTER DELETE ON runs BEGIN
	DELETE FROM run_json WHERE run = old.position;
	DELETE FROM tests WHERE run = old.position;
	DELETE FROM parts WHERE run = old.position;
END;

CREATE TABLE champions (
	position INTEGER PRIMARY KEY,
	since TEXT,
	model TEXT NOT NULL,
	score REAL NOT NULL,
	node TEXT,
	run_id TEXT,
	json TEXT NOT NULL
);

CREATE TABLE members (
	key TEXT PRIMARY KEY,
	json TEXT NOT NULL
);
`}

// layout is the application, version and number of tables of a database.
type layout struct {
	application, version, tables int
}

// look reads the layout.
func look(ctx context.Context, q queryer) (l layout, err error) {
	row := q.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`)
	return l, row.Scan(&l.application, &l.version, &l.tables)
}

// ours returns an error if the database belongs to another program, or to a newer
// version of this one.
func (l layout) ours(steps int) error {
	switch {
	case l.application != application && l.tables > 0:
		return fmt.Errorf("it is another program's database (%d tables and indexes): give the history a file of its own", l.tables)
	case l.version > steps:
		return fmt.Errorf("it was written by a newer version (layout %d, this one knows up to %d): update this program", l.version, steps)
	}
	return nil
}

// migrate runs the migrations that a database lacks, all or none.
func migrate(ctx context.Context, tx *sql.Tx, steps []string) error {
	l, err := look(ctx, tx)
	if err != nil {
		return err
	}
	if err := l.ours(len(steps)); err != nil {
		return err
	}
	if l.version == len(steps) {
		return nil
	}
	for number, step := range steps[l.version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bring the tables from layout %d to %d: %w", l.version+number, l.version+number+1, err)
		}
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", application, len(steps)))
	return err
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
