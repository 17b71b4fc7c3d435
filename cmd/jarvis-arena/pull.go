package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/turbone/jarvis/arena/hub"
	"github.com/turbone/jarvis/cmd/internal/cli"
	"github.com/turbone/jarvis/cmd/internal/progress"
	"github.com/turbone/jarvis/internal/duration"
	"github.com/turbone/jarvis/nodes"
)

// pulled is what pull prints.
type pulled struct {
	Node string `json:"node"`
	// Model is the name by which the node loads it, "" if the engine doesn't
	// tell; Asked the one by which the engine fetched it.
	Model string `json:"model"`
	Asked string `json:"asked"`
	// Already says that it was on the node before.
	Already bool `json:"already"`
	// Repository and those below are known of models on the hub.
	Repository   string `json:"repository,omitempty"`
	Quantization string `json:"quantization,omitempty"`
	Size         int64  `json:"size_bytes,omitempty"`
	Needs        int64  `json:"needs_bytes,omitempty"`
}

func newPullCommand(g *global) *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use:   "pull MODEL",
		Short: "Have a node's engine download a model",
		Long: `pull has the node's own engine download a model, and shows how far it is. Nothing
passes through this machine, and what the node serves stays loaded.

MODEL is a name of the engine's catalogue (qwen3:14b), or a repository on Hugging
Face: AUTHOR/NAME-GGUF, hf.co/AUTHOR/NAME or its address, with :QUANTIZATION
after it or without; then the best one that fits the node's memory is taken.
` + hubEnvironment,
		Example: `  jarvis-arena pull qwen3:14b
  jarvis-arena pull unsloth/Qwen3-14B-GGUF --node OL1
  jarvis-arena pull hf.co/unsloth/Qwen3-14B-GGUF:Q4_K_M`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return cli.Failure{Code: 2, Err: fmt.Errorf("pull takes one model, got %q; see jarvis-arena pull --help", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return pull(cmd, *g, node, args[0]) },
	}
	cmd.Flags().StringVar(&node, "node", "", "the `NODE` that fetches it (default: arena.node, else the first of the fallback order)")
	return cmd
}

func pull(cmd *cobra.Command, g global, named, model string) error {
	node, err := openNode(cmd, g.config, named)
	if err != nil {
		return err
	}
	reference, err := hub.ParseReference(node.Engine, model)
	if err != nil {
		return cli.Failure{Code: 2, Err: err}
	}
	stderr := cmd.ErrOrStderr()
	shown := newDownload(stderr, node.Name)
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	defer cli.StopOnSignal(cancel, func() string {
		shown.Clear()
		return "stopping; press Ctrl-C again to leave at once"
	}, stderr)()

	p := pulled{Node: node.Name}
	done, err := p.fetch(ctx, cmd, node, reference, shown)
	shown.Clear()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: the download of %s was interrupted; call pull again to go on with it", node.Name, model)
		}
		return err
	}
	p.Model, p.Asked, p.Already = done.Name, done.Asked, done.Already
	if g.json {
		return printJSON(cmd.OutOrStdout(), p)
	}
	p.print(cmd.OutOrStdout())
	return nil
}

// fetch chooses the file where the model is one of the hub's, and has it
// downloaded.
func (p *pulled) fetch(ctx context.Context, cmd *cobra.Command, node *nodes.Node, r hub.Reference, shown *download) (hub.Pulled, error) {
	options := hub.PullOptions{Progress: shown.show}
	if _, ok := node.Backend.(nodes.Downloader); !ok || r.Repository == "" {
		return hub.PullName(ctx, node, r.Name, options)
	}
	client, err := openHub()
	if err != nil {
		return hub.Pulled{}, err
	}
	m, err := client.Resolve(ctx, r.Repository, hub.Query{
		Memory: node.Memory, Context: contextOf(node.Wanted), Quantization: r.Quantization, Engine: node.Engine,
	})
	switch {
	case errors.Is(err, hub.ErrUnavailable):
		// The node may reach what this machine doesn't.
		name, nameErr := hub.EngineName(node.Engine, r.Repository, hub.File{Quantization: r.Quantization})
		if nameErr != nil {
			return hub.Pulled{}, errors.Join(err, nameErr)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "note: the size isn't checked: %v\n", err)
		p.Repository, p.Quantization = r.Repository, r.Quantization
		return hub.PullName(ctx, node, name, options)
	case errors.Is(err, hub.ErrNoFile):
		return hub.Pulled{}, fmt.Errorf("%s: download: %w; name another quantization or repository; jarvis-arena discover lists what fits", node.Name, err)
	case err != nil:
		return hub.Pulled{}, fmt.Errorf("%s: download: %w", node.Name, err)
	}
	p.Repository, p.Quantization, p.Size, p.Needs = m.Repository, m.File.Quantization, m.File.Size, m.Needs
	shown.Print(fmt.Sprintf("%s: %s %s, %s, needs about %s of memory", node.Name, m.Repository, m.File.Quantization, gib(m.File.Size), gib(m.Needs)))
	return hub.Pull(ctx, node, m, options)
}

func (p *pulled) print(out io.Writer) {
	verb := "has"
	if p.Already {
		verb = "had already"
	}
	if p.Model == "" {
		fmt.Fprintf(out, "%s %s %s; the engine lists it under a name of its own\n", p.Node, verb, p.Asked)
		return
	}
	fmt.Fprintf(out, "%s %s %s; try it: jarvis-arena %s --node %s\n", p.Node, verb, p.Model, p.Model, p.Node)
}

// download shows how far a download is: a line that changes on a terminal, a
// line each tenth elsewhere.
type download struct {
	*progress.Line
	node   string
	status string
	tenth  int64
	began  time.Time
	first  int64
}

func newDownload(w io.Writer, node string) *download {
	return &download{Line: progress.NewLine(w), node: node}
}

func (d *download) show(p nodes.Progress) {
	tenth := int64(0)
	if p.Total > 0 {
		p.Completed = min(max(p.Completed, 0), p.Total)
		tenth = 10 * p.Completed / p.Total
	}
	fresh := p.Status != d.status
	if fresh {
		d.status, d.began, d.first = p.Status, time.Now(), p.Completed
	}
	if d.Columns == nil && !fresh && tenth <= d.tenth {
		return
	}
	d.tenth = tenth
	d.Changing(clean(d.text(p)))
}

func (d *download) text(p nodes.Progress) string {
	text := d.node + ": " + p.Status
	if p.Total <= 0 {
		return text
	}
	text += fmt.Sprintf(" %d %%, %s of %s", 100*p.Completed/p.Total, gib(p.Completed), gib(p.Total))
	seconds, got := time.Since(d.began).Seconds(), p.Completed-d.first
	if seconds > 2 && got > 0 && p.Completed < p.Total {
		left := time.Duration(float64(p.Total-p.Completed) / (float64(got) / seconds) * float64(time.Second))
		text += fmt.Sprintf(", %.0f MB/s, about %s more", float64(got)/seconds/1e6, duration.Text(left))
	}
	return text
}
