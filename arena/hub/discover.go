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

// Order is how models are ranked.
type Order string

// The orders.
const (
	// ByBenchmark: those of the published benchmark first, best first; the
	// others follow by downloads.
	ByBenchmark Order = "benchmark"
	// ByDownloads: the most downloaded of the last month first.
	ByDownloads Order = "downloads"
)

// Query is what is looked for. The zero value looks at the most downloaded
// models, whatever their size.
type Query struct {
	// Search are words of the repository's name.
	Search string
	// Limit is how many repositories are looked at, 0 for 30, at most 200: each
	// is a request.
	Limit int
	// Memory is what the node has for a model, in bytes; 0 is unknown, and
	// everything fits.
	Memory int64
	// Context is what the model is to be served with, in tokens; 0 means
	// [DefaultContext].
	Context int
	// LowestBits is the coarsest quantization that is looked at, 0 for 3.
	LowestBits int
	// Quantization is the only one that is looked at, "" for the best that
	// fits.
	Quantization string
	// Engine is the node's, "" for any. What it can't take from the hub is left
	// out.
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

// Model is a repository with the file that would be served.
type Model struct {
	// Repository is author/name.
	Repository string
	// BaseModel is what it was quantized from, as its authors say; "" where
	// they don't.
	BaseModel string
	// Downloads are those of the last 30 days, Likes of all time.
	Downloads, Likes int64
	// Gated says that terms must be accepted first: "auto" at once, "manual" by
	// a person; "" where it is open. Private ones are seen with their owner's
	// token.
	Gated   string
	Private bool
	// Architecture, Parameters and ContextLength are the model's; zero where
	// the hub doesn't tell.
	Architecture  string
	Parameters    int64
	ContextLength int
	// Updated is when the repository last changed.
	Updated time.Time
	// File is the one that was chosen, Needs the memory that it takes in bytes,
	// estimated.
	File  File
	Needs int64
	// Others are the repository's other files.
	Others []File
	// Score is the benchmark's average, 0 to 100, where Scored; ScoreOf is the
	// benchmark's name of the model.
	Score   float64
	Scored  bool
	ScoreOf string
}

// Rejected is a repository that isn't proposed, and why.
type Rejected struct{ Repository, Reason string }

// Result is what was found.
type Result struct {
	// Models are those that fit, in the order that was asked for.
	Models []Model
	// Rejected are those that don't fit, or can't be used.
	Rejected []Rejected
	// Benchmark is the name of the one that ranked them, "" where none did.
	Benchmark string
	// Notes say what could not be had, and what the ranking rests on, in
	// sentences.
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

// gate is false, "auto" or "manual".
type gate string

// UnmarshalJSON takes anything but false and null for a gate.
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

// expanded are the fields that are asked for; without naming them the list has
// neither the size nor the gate.
var expanded = []string{"downloads", "likes", "gated", "private", "tags", "pipeline_tag", "lastModified", "gguf"}

// Discover lists models that fit, best first. It blocks until all requests are
// done or ctx ends; a few are under way at once. A repository that can't be read
// is among the rejected, and a benchmark that can't be had is a note; the error
// is an [Error] where the list itself can't be had, or no repository of it.
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

// Resolve looks at one repository as [Client.Discover] does at many. The error
// is an [Error], or wraps [ErrNoFile] with the reason where nothing in it fits.
func (c *Client) Resolve(ctx context.Context, repository string, q Query) (Model, error) {
	if err := checkRepository(repository); err != nil {
		return Model{}, err
	}
	var l listed
	r := request{
		action: "model " + repository, base: c.hub, token: c.token,
		path: append([]string{"api", "models"}, strings.Split(repository, "/")...), query: url.Values{"expand[]": expanded},
	}
	if _, err := c.get(ctx, r, &l); err != nil {
		return Model{}, err
	}
	// A repository that was renamed answers under its new name.
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

// list reads pages until there are enough repositories.
func (c *Client) list(ctx context.Context, q Query) ([]listed, error) {
	r := request{
		action: "list of models", base: c.hub, token: c.token, path: []string{"api", "models"},
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
				continue // a name that is none would be part of an address
			}
			seen[l.ID] = true
			all = append(all, l)
		}
		if next == nil || len(all) == before {
			break // a server that repeats its page would be read for ever
		}
		r.query = next
	}
	return all, nil
}

// name settles under which name the repository was listed.
func (l *listed) name() error {
	l.ID = cmp.Or(l.ID, l.ModelID)
	return checkRepository(l.ID)
}

// unusable says why a repository is no candidate, "" where it may be one.
func unusable(l listed) string {
	switch l.Task {
	case "", "text-generation", "text2text-generation", "image-text-to-text", "any-to-any", "conversational", "question-answering", "video-text-to-text", "audio-text-to-text", "translation", "summarization":
		return ""
	}
	return "made for " + excerpt([]byte(l.Task))
}

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

// baseModel is what the tags name as the origin: "base_model:quantized:a/b" or,
// in older ones, "base_model:a/b".
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

// rank puts the models in order, and says what the order rests on.
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
