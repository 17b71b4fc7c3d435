package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/healer/daemon"
	"github.com/turbone/jarvis/history"
)

// moved is what move prints.
type moved struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Runs are those of FROM; Added were not in TO, Replaced were there with
	// fewer tests.
	Runs     int `json:"runs"`
	Added    int `json:"added"`
	Replaced int `json:"replaced"`
	// TotalRuns are those that TO has now, its archive included.
	TotalRuns int `json:"total_runs"`
	// Champion is that of TO now; Crowned says that it was taken over.
	Champion *history.Champion `json:"champion"`
	Crowned  bool              `json:"crowned"`
}

func newMoveCommand(g *global) *cobra.Command {
	var merge bool
	cmd := &cobra.Command{
		Use:   "move FROM TO",
		Short: "Copy a history between a JSON file and a database",
		Long: `move copies a history: all runs, those of the archive included, and the champion.
A path that ends in .db, .sqlite or .sqlite3 is a database, any other a JSON file.
FROM stays as it is, and afterwards the config's history.path decides which of the
two is used.

It may be repeated: what is there already isn't added again. A TO that holds runs
of its own, which FROM has not, is another history and is left alone, unless
--merge asks for both in one.`,
		Example: `  jarvis-arena move jarvis_benchmark_history.json history.db
  jarvis-arena move history.db history.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] == "" || args[1] == "" {
				return cli.Failure{Code: 2, Err: fmt.Errorf("move takes FROM and TO, got %q; see jarvis-arena move --help", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return move(cmd, *g, args[0], args[1], merge) },
	}
	cmd.Flags().BoolVar(&merge, "merge", false, "put two histories into one")
	return cmd
}

func move(cmd *cobra.Command, g global, from, to string, merge bool) error {
	c, err := configOrDefault(cmd, g.config)
	if err != nil {
		return err
	}
	if err := movable(from, to); err != nil {
		return err
	}
	content, err := readHistory(cmd.Context(), from, c.History.Keep)
	if err != nil {
		return fmt.Errorf("move from %s: %w", from, err)
	}
	if len(content.Runs) == 0 && content.Champion == nil {
		return fmt.Errorf("%s holds no runs and no champion: there is nothing to copy, and %s was left as it is", from, to)
	}
	m := moved{From: from, To: to, Runs: len(content.Runs)}
	if err := m.write(cmd.Context(), content, c.History.Keep, merge); err != nil {
		return fmt.Errorf("move to %s: %w", to, err)
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), m)
	}
	m.print(cmd.OutOrStdout(), c)
	return nil
}

// movable refuses what can't be meant.
func movable(from, to string) error {
	source, err := os.Stat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no history %s; name the one to copy from", from)
	case err != nil:
		return fmt.Errorf("move: %w", err)
	case source.IsDir():
		return fmt.Errorf("%s is a folder; name the history in it", from)
	}
	target, err := os.Stat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			return fmt.Errorf("there is no folder %s; make it first", filepath.Dir(to))
		}
		return nil
	case err != nil:
		return fmt.Errorf("move: %w", err)
	case target.IsDir():
		return fmt.Errorf("%s is a folder; name a file in it, such as %s", to, filepath.Join(to, "history.db"))
	case os.SameFile(source, target):
		return usage("%s and %s are one file", from, to)
	}
	return nil
}

// openMovable opens a history to copy from or to.
func openMovable(ctx context.Context, path string, keep int) (history.Movable, io.Closer, error) {
	store, closer, err := daemon.OpenHistory(ctx, path, keep)
	if err != nil {
		return nil, nil, err
	}
	whole, ok := store.(history.Movable)
	if !ok {
		return nil, nil, errors.Join(errors.New("this kind of history can't be copied"), closer.Close())
	}
	return whole, closer, nil
}

func readHistory(ctx context.Context, path string, keep int) (content history.Content, err error) {
	store, closer, err := openMovable(ctx, path, keep)
	if err != nil {
		return history.Content{}, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	return store.Content(ctx)
}

func (m *moved) write(ctx context.Context, content history.Content, keep int, merge bool) (err error) {
	store, closer, err := openMovable(ctx, m.To, keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	there, err := store.Content(ctx)
	if err != nil {
		return err
	}
	if !merge {
		if err := another(there, content); err != nil {
			return err
		}
	}
	done, err := store.Import(ctx, content)
	if err != nil {
		return err
	}
	m.Added, m.Replaced, m.TotalRuns, m.Crowned = done.Added, done.Replaced, done.Total, done.Crowned
	champion, crowned, err := store.Champion(ctx)
	if crowned {
		m.Champion = &champion
	}
	return err
}

// another returns an error if each of two histories has runs that the other
// has not. One that only went on where the other stopped is the same.
func another(there, content history.Content) error {
	own, err := without(there.Runs, content.Runs)
	if err != nil {
		return err
	}
	fresh, err := without(content.Runs, there.Runs)
	if err != nil {
		return err
	}
	switch {
	case own == 0 || fresh == 0 && len(content.Runs) > 0:
		return nil
	case own == len(there.Runs):
		return fmt.Errorf("it is another history, of %s, and was left as it is; name a file that isn't there yet, or put both into one with --merge", runsText(own))
	}
	return fmt.Errorf("it has %s of its own, and lacks %d: the two went on apart, and it was left as it is; put both into one with --merge", runsText(own), fresh)
}

// without counts the runs that others have not.
func without(runs, others []history.Run) (int, error) {
	left := map[string]int{}
	for _, run := range others {
		key, err := history.Key(run)
		if err != nil {
			return 0, err
		}
		left[key]++
	}
	count := 0
	for _, run := range runs {
		key, err := history.Key(run)
		if err != nil {
			return 0, err
		}
		if left[key]--; left[key] < 0 {
			count++
		}
	}
	return count, nil
}

func (m *moved) print(out io.Writer, c *config.Config) {
	switch {
	case m.Added == 0 && m.Replaced == 0 && !m.Crowned:
		fmt.Fprintf(out, "%s has all %s of %s already; nothing was changed\n", m.To, runsText(m.Runs), m.From)
	default:
		fmt.Fprintf(out, "copied %s from %s to %s", runsText(m.Added), m.From, m.To)
		if m.Replaced > 0 {
			fmt.Fprintf(out, ", brought %d up to date", m.Replaced)
		}
		if m.Crowned {
			fmt.Fprintf(out, ", and the champion, %s", clean(m.Champion.Model))
		}
		fmt.Fprintf(out, "; it has %s now\n", runsText(m.TotalRuns))
	}
	if c.Path != "" && same(c.History.Path, m.From) {
		fmt.Fprintf(out, "%s still uses %s; set its history.path to %s to use the copy\n", c.Path, m.From, m.To)
	}
}

// same reports whether two paths are one file.
func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
