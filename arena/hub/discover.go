package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sourcegraph/conc/pool"
)

// Order is the order of models.
type Order string

// The orders.
const (
	// ByBenchmark ranks models by the published benchmark. Models that are not
	// in it follow, by downloads.
	ByBenchmark Order = "benchmark"
	// ByDownloads ranks models by the downloads of the last 30 days.
	ByDownloads Order = "downloads"
)

// Query selects models. The zero value selects the most downloaded models of any
// size.
type Query struct {
	// Search holds words of the repository's name.
	Search string
	// Limit is the number of repositories to look at, each with a request; 0
	// means 30, and the greatest is 200.
	Limit int
	// Memory is the node's memory for a model, in bytes; 0 means unknown, and
	// every model fits.
	Memory int64
	// Context is the length of the context to serve, in tokens; 0 means
	// [DefaultContext].
	Context int
	// LowestBits is the least number of bits of a quantization; 0 means 3.
	LowestBits int
	// Quantization is the quantization to choose; "" means the best that fits.
	Quantization string
	// Engine is the node's engine, "" means any. Files that it can't download
	// are left out.
	Engine string
	// Order ranks the models; "" means ByBenchmark.
	Order Order
}

func (q Query) lowest() int {
	if q.LowestBits <= 0 {
		return 3
	}
	return q.LowestBits
}

func (q Query) limit() int {
	if q.Limit <= 0 {
		return 30
	}
	return min(q.Limit, 200)
}

// Model is a repository with the file to serve.
type Model struct {
	// Repository is the repository's name, author/name.
	Repository string
	// BaseModel is the model that it was quantized from, "" if unknown.
	BaseModel string
	// Downloads counts those of the last 30 days, Likes those of all time.
	Downloads, Likes int64
	// Gated is "" for an open repository. Of one whose terms have to be accepted
	// it is "auto" if access is granted at once, and "manual" if its authors
	// decide. A Private repository is visible with its owner's token only.
	Gated   string
	Private bool
	// Architecture, Parameters and ContextLength describe the model; each is
	// zero if unknown.
	Architecture  string
	Parameters    int64
	ContextLength int
	// Updated is the time of the repository's latest change.
	Updated time.Time
	// File is the file that was chosen, Needs the estimated memory that it
	// takes, in bytes.
	File  File
	Needs int64
	// Others lists the repository's other files.
	Others []File
	// Score is the benchmark's average, 0 to 100, if Scored is set. ScoreOf is
	// the benchmark's name of the model.
	Score   float64
	Scored  bool
	ScoreOf string
}

// Rejected is a repository without a suitable file, and the reason.
type Rejected struct{ Repository, Reason string }

// Result is the result of [Client.Discover].
type Result struct {
	// Models lists the models that fit, in the query's order.
	Models []Model
	// Rejected lists the repositories that don't fit or can't be used.
	Rejected []Rejected
	// Benchmark is the name of the benchmark that ranked them, "" if none did.
	Benchmark string
	// Notes are sentences about the basis of the ranking and about what could
	// not be downloaded.
	Notes []string
}

// listed is a repository in the hub's list.
type listed struct {
	ID           string    `json:"id"`
	ModelID      string    `json:"modelId"` // its older name
	Downloads    int64     `json:"downloads"`
	Likes        int64     `json:"likes"`
	Gated        gate      `json:"gated"`
	Private      bool      `json:"private"`
	Tags         []string  `json:"tags"`
	Task         string    `json:"pipeline_tag"`
	LastModified time.Time `json:"lastModified"`
	GGUF         *struct {
		Total         int64  `json:"total"`
		Architecture  string `json:"architecture"`
		ContextLength int    `json:"context_length"`
	} `json:"gguf"`
}

// gate is the gate of a repository: "", "auto" or "manual".
type gate string

// UnmarshalJSON accepts a boolean, null or a string.
func (g *gate) UnmarshalJSON(text []byte) error {
	switch s := string(text); {
	case s == "false", s == "null":
		*g = ""
	case s == "true":
		*g = "auto"
	default:
		*g = gate(excerpt([]byte(strings.Trim(s, `"`))))
	}
	return nil
}

// expanded lists the fields to request: by default the list has neither the size
// nor the gate.
var expanded = []string{"downloads", "likes", "gated", "private", "tags", "pipeline_tag", "lastModified", "gguf"}

// Discover lists models that fit, the best first. It makes four requests at a
// time and blocks until they are done or ctx ends. A repository that can't be
// read is rejected, and a benchmark that can't be downloaded becomes a note. The
// error is an [*Error] if the list can't be read, or none of its repositories;
// or it wraps the cause of ctx's end.
func (c *Client) Discover(ctx context.Context, q Query) (Result, error) {
	list, err := c.list(ctx, q)
	if err != nil {
		return Result{}, err
	}
	var result Result
	var wanted []listed
	for _, l := range list {
		if reason := unusable(l); reason != "" {
			result.Rejected = append(result.Rejected, Rejected{l.ID, reason})
			continue
		}
		wanted = append(wanted, l)
	}
	type found struct {
		model  Model
		reason string
		err    error
	}
	answers := make([]found, len(wanted))
	var board Board
	var boardErr error
	work := pool.New().WithMaxGoroutines(4)
	if q.Order != ByDownloads {
		work.Go(func() { board, boardErr = c.Board(ctx) })
	}
	for i, l := range wanted {
		work.Go(func() {
			files, err := c.Files(ctx, l.ID)
			if err != nil {
				answers[i] = found{err: err}
				return
			}
			model, reason := choose(l, files, q)
			answers[i] = found{model: model, reason: reason}
		})
	}
	work.Wait()
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("hub: discover: %w", context.Cause(ctx))
	}
	var failed []error
	for i, a := range answers {
		switch {
		case a.err != nil:
			failed = append(failed, a.err)
			result.Rejected = append(result.Rejected, Rejected{wanted[i].ID, "its files can't be listed: " + a.err.Error()})
		case a.reason != "":
			result.Rejected = append(result.Rejected, Rejected{wanted[i].ID, a.reason})
		default:
			result.Models = append(result.Models, a.model)
		}
	}
	if len(failed) > 0 && len(failed) == len(wanted) {
		return Result{}, failed[0]
	}
	result.rank(board, boardErr, q)
	return result, nil
}

// Resolve chooses the file of one repository as [Client.Discover] does. The error
// is an [*Error], or wraps [ErrNoFile] if no file fits.
func (c *Client) Resolve(ctx context.Context, repository string, q Query) (Model, error) {
	if err := checkRepository(repository); err != nil {
		return Model{}, err
	}
	var l listed
	r := request{
		action: "model " + repository, base: c.hub, token: c.token, tokenName: c.tokenName,
		path: append([]string{"api", "models"}, strings.Split(repository, "/")...), query: url.Values{"expand[]": expanded},
	}
	if _, err := c.get(ctx, r, &l); err != nil {
		return Model{}, err
	}
	// A repository that was renamed is listed under its new name.
	if l.name() == nil {
		repository = l.ID
	}
	l.ID = repository
	files, err := c.Files(ctx, repository)
	if err != nil {
		return Model{}, err
	}
	model, reason := choose(l, files, q)
	if reason != "" {
		return Model{}, fmt.Errorf("hub: %s: %w: %s", repository, ErrNoFile, reason)
	}
	return model, nil
}

// list returns repositories that match the query, page by page.
func (c *Client) list(ctx context.Context, q Query) ([]listed, error) {
	r := request{
		action: "list of models", base: c.hub, token: c.token, tokenName: c.tokenName, path: []string{"api", "models"},
		query: url.Values{
			"filter": {"gguf"}, "sort": {"downloads"}, "direction": {"-1"},
			"limit": {strconv.Itoa(min(q.limit(), 100))}, "expand[]": expanded,
		},
	}
	if search := strings.TrimSpace(q.Search); search != "" {
		r.query.Set("search", search)
	}
	var all []listed
	seen := map[string]bool{}
	for len(all) < q.limit() {
		var page []listed
		next, err := c.get(ctx, r, &page)
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, l := range page {
			if l.name() != nil || seen[l.ID] || len(all) == q.limit() {
				continue // the name becomes part of an address
			}
			seen[l.ID] = true
			all = append(all, l)
		}
		if next == nil || len(all) == before {
			break // a server may repeat its page forever
		}
		r.query = next
	}
	return all, nil
}

// name sets the repository's ID, and reports an invalid one.
func (l *listed) name() error {
	l.ID = cmp.Or(l.ID, l.ModelID)
	return checkRepository(l.ID)
}

// unusable returns why a repository holds no model for chats, "" if it may.
func unusable(l listed) string {
	switch l.Task {
	case "", "text-generation", "text2text-generation", "image-text-to-text", "any-to-any", "conversational", "question-answering", "video-text-to-text", "audio-text-to-text", "translation", "summarization":
		return ""
	}
	return "made for " + excerpt([]byte(l.Task))
}

// choose returns a repository's model with its best file, or the reason why none
// will do.
func choose(l listed, files []File, q Query) (Model, string) {
	m := Model{
		Repository: l.ID, BaseModel: baseModel(l.Tags), Downloads: max(l.Downloads, 0), Likes: max(l.Likes, 0),
		Gated: string(l.Gated), Private: l.Private, Updated: l.LastModified,
	}
	if l.GGUF != nil {
		m.Architecture, m.Parameters, m.ContextLength = excerpt([]byte(l.GGUF.Architecture)), max(l.GGUF.Total, 0), max(l.GGUF.ContextLength, 0)
	}
	if m.ContextLength > 0 && q.Context > m.ContextLength {
		return m, fmt.Sprintf("made for a context of %d tokens, %d are wanted", m.ContextLength, q.Context)
	}
	file, needs, reason := best(files, m.Parameters, q)
	if reason != "" {
		return m, reason
	}
	m.File, m.Needs = file, needs
	for _, f := range files {
		if f.Paths[0] != file.Paths[0] {
			m.Others = append(m.Others, f)
		}
	}
	return m, ""
}

// baseModel returns the origin that the tags name: "base_model:quantized:a/b", or
// in older repositories "base_model:a/b".
func baseModel(tags []string) string {
	found := ""
	for _, tag := range tags {
		rest, ok := strings.CutPrefix(tag, "base_model:")
		if !ok {
			continue
		}
		kind, name, ok := strings.Cut(rest, ":")
		if !ok {
			kind, name = "", rest
		}
		if checkRepository(name) == nil && (found == "" || kind == "quantized") {
			found = name
		}
	}
	return found
}

// rank sorts the models, and notes the basis of their order.
func (r *Result) rank(board Board, failed error, q Query) {
	scored := 0
	switch {
	case q.Order == ByDownloads:
	case failed != nil:
		reason := failed
		var e *Error
		if errors.As(failed, &e) {
			reason = fmt.Errorf("%w", e.Kind)
		}
		r.Notes = append(r.Notes, fmt.Sprintf("The benchmark (%s) could not be had (%v): ranked by downloads alone.", BoardName, reason))
	default:
		for i := range r.Models {
			m := &r.Models[i]
			if m.ScoreOf, m.Score, m.Scored = board.Find(*m); m.Scored {
				scored++
			}
		}
		switch {
		case scored > 0:
			r.Benchmark = BoardName
			r.Notes = append(r.Notes, fmt.Sprintf("%d of %d models are in %s, which measured their unquantized originals; the others follow by downloads.", scored, len(r.Models), BoardName))
		case len(r.Models) > 0:
			r.Notes = append(r.Notes, fmt.Sprintf("None of them is in %s: ranked by downloads alone.", BoardName))
		}
	}
	slices.SortStableFunc(r.Models, func(a, b Model) int {
		switch {
		case a.Scored && !b.Scored:
			return -1
		case b.Scored && !a.Scored:
			return 1
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Downloads, a.Downloads), strings.Compare(a.Repository, b.Repository))
	})
}
