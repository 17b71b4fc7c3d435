// Package keeper lets tournaments remember in the healer's state file what a
// node is meant to serve.
package keeper

import (
	"context"

	"github.com/turbone/jarvis/arena"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/nodes"
)

// Keeper is an [arena.Keeper] on a state file. Safe for concurrent use.
type Keeper struct{ *healer.StateFile }

var _ arena.Keeper = Keeper{}

// New makes one.
func New(file *healer.StateFile) Keeper { return Keeper{file} }

// Promote implements [arena.Keeper].
func (k Keeper) Promote(ctx context.Context, node *nodes.Node, p arena.Promotion) error {
	return k.StateFile.Promote(ctx, node, healer.Promotion{
		Model: p.Model, Previous: p.Previous, Run: p.Run, FirstToken: p.FirstToken, ErrorRate: p.ErrorRate,
	})
}
