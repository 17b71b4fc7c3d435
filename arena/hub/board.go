package hub

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/sourcegraph/conc/pool"
)

// BoardName is the name of the published benchmark. The Open LLM Leaderboard was
// closed in 2025 and has no newer models.
const BoardName = "the Open LLM Leaderboard"

const (
	boardData = "open-llm-leaderboard/contents"
	boardPage = 100
	// maxBoard is the greatest number of rows read; the board has about 4,600.
	maxBoard = 20_000
)

// Board holds the average scores of a published benchmark.
type Board struct {
	full map[string]entry // by author/name in lower case
	bare map[string]entry // by name alone, if one author has it
}

type entry struct {
	name  string
	score float64
	many  bool // of a bare name: several authors have it
}

// boardRows is a page of the board's rows.
type boardRows struct {
	Rows []struct {
		Row map[string]json.RawMessage `json:"row"`
	} `json:"rows"`
	Total int `json:"num_rows_total"`
}

// Board downloads the published benchmark, with about fifty requests, three at a
// time. It blocks until they are done or ctx ends. The error is an [*Error] or
// wraps the cause of ctx's end.
func (c *Client) Board(ctx context.Context) (Board, error) {
	b := Board{full: map[string]entry{}, bare: map[string]entry{}}
	first, err := c.boardPage(ctx, 0)
	if err != nil {
		return Board{}, err
	}
	b.add(first)
	var mu sync.Mutex
	work := pool.New().WithContext(ctx).WithMaxGoroutines(3).WithCancelOnError().WithFirstError()
	if len(first.Rows) > 0 {
		for at := len(first.Rows); at < min(first.Total, maxBoard); at += boardPage {
			work.Go(func(ctx context.Context) error {
				page, err := c.boardPage(ctx, at)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				b.add(page)
				return nil
			})
		}
	}
	if err := work.Wait(); err != nil {
		return Board{}, err
	}
	if len(b.full) == 0 {
		return Board{}, &Error{Action: "benchmark", Kind: ErrProtocol, Detail: "no row has a model's name and an average"}
	}
	return b, nil
}

func (c *Client) boardPage(ctx context.Context, offset int) (boardRows, error) {
	var page boardRows
	_, err := c.get(ctx, request{
		action: "benchmark", base: c.board, tokenName: c.tokenName, path: []string{"rows"},
		query: url.Values{
			"dataset": {boardData}, "config": {"default"}, "split": {"train"},
			"offset": {strconv.Itoa(offset)}, "length": {strconv.Itoa(boardPage)},
		},
	}, &page)
	return page, err
}

// add adds the rows of a page. A model has one row for each precision, of which
// the best counts. Rows that the board flagged are left out.
func (b Board) add(page boardRows) {
	for _, r := range page.Rows {
		name, score, flagged := "", 0.0, false
		for column, value := range r.Row {
			switch {
			case column == "fullname":
				_ = json.Unmarshal(value, &name) // of another type: no name
			case strings.HasPrefix(column, "Average"):
				_ = json.Unmarshal(value, &score)
			case column == "Flagged":
				_ = json.Unmarshal(value, &flagged)
			}
		}
		if flagged || checkRepository(name) != nil || score <= 0 || score > 100 {
			continue
		}
		full := strings.ToLower(name)
		if had, ok := b.full[full]; !ok || score > had.score {
			b.full[full] = entry{name: name, score: score}
		}
		bare := full[strings.IndexByte(full, '/')+1:]
		had, ok := b.bare[bare]
		switch {
		case !ok:
			b.bare[bare] = b.full[full]
		case !strings.EqualFold(had.name, name):
			b.bare[bare] = entry{many: true}
		case !had.many:
			b.bare[bare] = b.full[full]
		}
	}
}

// Find returns the average score of a model, 0 to 100, and the name that the
// benchmark has for it: by the base model that its authors name, or else by the
// name of the repository, if only one author has a model of that name.
func (b Board) Find(m Model) (name string, score float64, ok bool) {
	if m.BaseModel != "" {
		e, ok := b.full[strings.ToLower(m.BaseModel)]
		return e.name, e.score, ok
	}
	bare := strings.ToLower(m.Repository[strings.IndexByte(m.Repository, '/')+1:])
	for _, end := range []string{"-gguf", ".gguf", "_gguf", "-i1"} {
		bare = strings.TrimSuffix(bare, end)
	}
	e, ok := b.bare[bare]
	if !ok || e.many {
		return "", 0, false
	}
	return e.name, e.score, true
}
