package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena/hub"
)

// shownRejected is how many of those that were left out are named.
const shownRejected = 5

// discovered is what discover prints.
type discovered struct {
	// Node is the one that they are meant for, "" for none; Engine and Memory,
	// in bytes, are its own.
	Node   string `json:"node"`
	Engine string `json:"engine"`
	Memory int64  `json:"memory_bytes"`
	// Context is what the memory is estimated for, in tokens.
	Context   int              `json:"context"`
	Benchmark string           `json:"benchmark"`
	Models    []proposed       `json:"models"`
	Rejected  []rejectedByName `json:"rejected"`
	Notes     []string         `json:"notes"`
}

// proposed is a model that fits.
type proposed struct {
	// Model is the name to pull it by.
	Model        string `json:"model"`
	Repository   string `json:"repository"`
	Quantization string `json:"quantization"`
	// Size is that of the file, Needs what it takes in memory, in bytes.
	Size         int64     `json:"size_bytes"`
	Needs        int64     `json:"needs_bytes"`
	Parameters   int64     `json:"parameters,omitempty"`
	Architecture string    `json:"architecture,omitempty"`
	MaxContext   int       `json:"max_context,omitempty"`
	BaseModel    string    `json:"base_model,omitempty"`
	Downloads    int64     `json:"downloads"`
	Likes        int64     `json:"likes"`
	Gated        string    `json:"gated,omitempty"`
	Private      bool      `json:"private,omitempty"`
	Updated      time.Time `json:"updated,omitzero"`
	// Score is the published benchmark's, 0 to 100, of the unquantized model
	// ScoreOf; nil if it has none.
	Score   *float64 `json:"benchmark_score"`
	ScoreOf string   `json:"benchmark_of,omitempty"`
}

type rejectedByName struct {
	Repository string `json:"repository"`
	Reason     string `json:"reason"`
}

func newDiscoverCommand(g *global) *cobra.Command {
	var node string
	var limit int
	cmd := &cobra.Command{
		Use:   "discover [WORDS]...",
		Short: "List models on Hugging Face that fit a node's memory",
		Long: `discover lists repositories with GGUF files on Hugging Face, the most downloaded
ones or those whose names hold the words; chooses in each the best quantization
that fits the node's memory; and ranks them by a published benchmark, then by
downloads. It changes nothing.

The benchmark measured the unquantized originals on other tasks than yours: it is
a reason to try a model in a tournament, not a verdict. The memory is an estimate
for the context that the node's model is served with.
` + hubEnvironment,
		Example: `  jarvis-arena discover                    what would fit?
  jarvis-arena discover qwen3 coder        by words of the name
  jarvis-arena discover --node OL1 --json  for another node, as JSON`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 200 {
				return usage("--limit is 1 to 200, not %d", limit)
			}
			return discover(cmd, *g, node, hub.Query{Search: strings.Join(args, " "), Limit: limit})
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "the `NODE` that they are for (default: arena.node, else the first of the fallback order)")
	cmd.Flags().IntVar(&limit, "limit", 30, "look at so many repositories, 1 to 200")
	return cmd
}

func discover(cmd *cobra.Command, g global, named string, q hub.Query) error {
	client, err := openHub()
	if err != nil {
		return err
	}
	node, err := openNodeIfAny(cmd, g.config, named)
	if err != nil {
		return err
	}
	d := discovered{Models: []proposed{}, Rejected: []rejectedByName{}, Notes: []string{}}
	if node != nil {
		d.Node, d.Engine, d.Memory = node.Name, node.Engine, node.Memory
		q.Engine, q.Memory, q.Context = node.Engine, node.Memory, contextOf(node.Wanted)
	}
	if d.Context = q.Context; d.Context == 0 {
		d.Context = hub.DefaultContext
	}
	found, err := client.Discover(cmd.Context(), q)
	if err != nil {
		return err
	}
	d.take(found)
	if d.Memory == 0 {
		what := "no config names a node"
		if node != nil {
			what = fmt.Sprintf("the config doesn't tell the memory of %s; add memory: 24GiB to it", node.Name)
		}
		d.Notes = append(d.Notes, "Nothing was left out for its size: "+what+".")
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), d)
	}
	d.print(cmd.OutOrStdout(), q.Search)
	return nil
}

func (d *discovered) take(found hub.Result) {
	d.Benchmark = found.Benchmark
	d.Notes = append(d.Notes, found.Notes...)
	for _, m := range found.Models {
		name, err := hub.EngineName(d.Engine, m.Repository, m.File)
		if err != nil { // an engine that downloads none: the name is for people
			name = m.Repository + ":" + m.File.Quantization
		}
		p := proposed{
			Model: name, Repository: m.Repository, Quantization: m.File.Quantization, Size: m.File.Size, Needs: m.Needs,
			Parameters: m.Parameters, Architecture: m.Architecture, MaxContext: m.ContextLength, BaseModel: m.BaseModel,
			Downloads: m.Downloads, Likes: m.Likes, Gated: m.Gated, Private: m.Private, Updated: m.Updated, ScoreOf: m.ScoreOf,
		}
		if m.Scored {
			p.Score = &m.Score
		}
		d.Models = append(d.Models, p)
	}
	for _, r := range found.Rejected {
		d.Rejected = append(d.Rejected, rejectedByName(r))
	}
}

func (d *discovered) print(out io.Writer, search string) {
	switch {
	case len(d.Models) == 0 && len(d.Rejected) == 0 && search != "":
		fmt.Fprintf(out, "nothing is called like %q; try fewer words\n", search)
	case len(d.Models) == 0:
		fmt.Fprintln(out, "none of them would do")
	default:
		d.printTable(out)
	}
	for i, r := range d.Rejected {
		if i == shownRejected {
			fmt.Fprintf(out, "  and %d more; --json names all\n", len(d.Rejected)-i)
			break
		}
		if i == 0 {
			fmt.Fprintln(out, "left out:")
		}
		fmt.Fprintf(out, "  %s: %s\n", r.Repository, r.Reason)
	}
	for _, note := range d.Notes {
		fmt.Fprintln(out, note)
	}
	if len(d.Models) > 0 {
		at := ""
		if d.Node != "" {
			at = " --node " + d.Node
		}
		fmt.Fprintf(out, "fetch one: jarvis-arena pull %s%s\n", d.Models[0].Model, at)
	}
}

func (d *discovered) printTable(out io.Writer) {
	if d.Node != "" {
		memory := "memory unknown"
		if d.Memory > 0 {
			memory = gib(d.Memory)
		}
		fmt.Fprintf(out, "for %s (%s, %s), a context of %d tokens\n\n", d.Node, d.Engine, memory, d.Context)
	}
	rows := [][]string{{"MODEL", "QUANTIZATION", "SIZE", "NEEDS", "WEIGHTS", "DOWNLOADS", "BENCHMARK", ""}}
	for _, m := range d.Models {
		score, weights, remark := "-", "-", ""
		if m.Score != nil {
			score = fmt.Sprintf("%.1f", *m.Score)
		}
		if m.Parameters > 0 {
			weights = count(m.Parameters)
		}
		switch {
		case m.Private:
			remark = "private"
		case m.Gated != "":
			remark = "gated"
		}
		rows = append(rows, []string{m.Repository, orDash(m.Quantization), gib(m.Size), gib(m.Needs), weights, count(m.Downloads), score, remark})
	}
	printTable(out, rows)
	fmt.Fprintln(out)
}
