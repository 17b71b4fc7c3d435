package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/alert"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
	"github.com/turbone/jarvis/nodes/gateway"
	"github.com/turbone/jarvis/scoring"
)

// Config is the configuration of a [Daemon]. Only Healer.Nodes is required: the
// zero value of every other field means its default, and the default of an
// address, a file or a list is none.
type Config struct {
	// Healer is the configuration of the watchdog. If Leases, Champion or Rerun
	// is nil, New sets it from StateFile, History and HoldTournament. The sinks
	// of Log and Alerts are added to Sinks.
	Healer healer.Config
	// Log is the file that the events are written to.
	Log Log
	// Alerts are the services that are told what happens.
	Alerts Alerts
	// Status is the status API.
	Status Status
	// Gateway is the address that clients send their requests to.
	Gateway Gateway
	// History is read after each change, and its runs are judged.
	History History
	// HoldTournament holds the tournaments that Healer.OnRegression asks for. It
	// blocks until the tournament has ended, or ctx ended and the node has its
	// model back. [ArenaCommand.Hold] runs the jarvis-arena command.
	HoldTournament func(ctx context.Context, t Tournament) error
}

// Log is a log file that is rotated by size.
type Log struct {
	// Path is the file's, whose folder is made if it is missing; "" keeps no
	// log.
	Path string
	// MaxSize is the size, in bytes, at which the file is set aside and a new
	// one begun; 0 means [DefaultLogSize]. It is rounded up to whole MiB.
	MaxSize int64
}

// DefaultLogSize is the default of [Log.MaxSize]: 10 MiB.
const DefaultLogSize = 10 << 20

// Alerts are the services that are told what happens.
type Alerts struct {
	Services []alert.Service
	// Options are those of every service. If Report is nil, New sets it to add
	// an event to the log and to Healer.Sinks.
	Options alert.Options
}

// Status is the address of the status API.
type Status struct {
	// Listen is the TCP address, such as "127.0.0.1:7070"; "" serves no status
	// API.
	Listen string
	// Token must be sent as "Authorization: Bearer" with every request except
	// /healthz. If it is empty, only requests whose Host is this machine are
	// answered.
	Token nodes.Secret
}

// Gateway is the address that clients send their requests to.
type Gateway struct {
	// Listen is the TCP address, such as "127.0.0.1:7071"; "" runs no gateway.
	Listen string
	// Keys are the clients' keys. If there is none, only requests whose Host is
	// this machine are answered.
	Keys []gateway.Key
	// Options say how requests are routed. Their Observer counts the metrics,
	// unless NoMetrics is set.
	Options gateway.Options
	// NoMetrics turns off the metrics at /metrics of the gateway's address.
	NoMetrics bool
}

// History is the history of runs that the daemon watches.
type History struct {
	// Path is the file's, opened as by [OpenHistory]; "" watches no history.
	Path string
	// Keep is how many runs are kept; 0 means the default of the store.
	Keep int
	// Store is used in place of the store at Path, if it is not nil. Path is
	// then the file whose changes show that a run was added; if it is empty,
	// Store is read every few seconds.
	Store history.HistoryStore
	// Judge returns the nodes that got worse; nil means [Regressions] with the
	// default weights.
	Judge Judge
	// Weights are those of the composite score, for the default Judge; the zero
	// value means [scoring.Default].
	Weights scoring.Composite
}

// LeaseDir returns the folder of the node leases that belong to a state file:
// a program that works on the nodes beside the daemon takes its leases there.
// It is "" for an empty path.
func LeaseDir(stateFile string) string { return beside(stateFile, ".leases") }

// Leases returns the node leases that belong to a state file, to ask who holds
// them. It creates no folder: where there is none, nobody holds a lease.
func Leases(stateFile string) (nodes.Leases, error) {
	dir := LeaseDir(stateFile)
	if dir == "" {
		return &nodes.MemoryLeases{}, nil
	}
	switch _, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return &nodes.MemoryLeases{}, nil
	case err != nil:
		return nil, fmt.Errorf("leases: %w", err)
	}
	return nodes.NewDirLeases(dir)
}

// lockFile returns the path of the lock that the one daemon of a state file
// holds, "" for an empty path.
func lockFile(stateFile string) string { return beside(stateFile, ".lock") }

// beside replaces the extension of a path.
func beside(path, extension string) string {
	if path == "" {
		return ""
	}
	return strings.TrimSuffix(path, filepath.Ext(path)) + extension
}
