// Package daemon is the watchdog as a program: the healer with its log, its
// console, its alerts, its status API, and the lock that keeps a second one off
// the same state.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/sourcegraph/conc"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/turbone/jarvis/cmd/internal/config"
	"github.com/turbone/jarvis/cmd/internal/notify"
	"github.com/turbone/jarvis/cmd/internal/statusapi"
	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/alert"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// oldLogs is how many full log files are kept beside the one being written.
const oldLogs = 3

// Options say what to run.
type Options struct {
	Config  *config.Config
	Version string
	// Console takes the events, beside the log.
	Console healer.Sink
	// Champion is shown in the status; nil means none.
	Champion func(context.Context) (*healer.Champion, error)
	// History is read after each change of the config's history file, and its
	// runs are judged; nil for one of the two means that no run is judged. Its
	// champion is corrected where a promotion is undone.
	History history.HistoryStore
	Judge   Judge
	// Rerun and OnRegression are the healer's, see [healer.Config].
	Rerun        func(ctx context.Context, node string, kind healer.Rerun) error
	OnRegression healer.OnRegression
}

// Daemon is ready to run: everything that can be refused was.
type Daemon struct {
	options  Options
	healer   *healer.Healer
	alerter  *alert.Alerter
	listener net.Listener
	front    *front      // nil without a gateway
	closers  []io.Closer // in the order of their opening
}

// New opens what the daemon needs: the lock, the log, the leases, the status
// API's port. Close it, also where Run was called.
func New(o Options) (d *Daemon, err error) {
	d = &Daemon{options: o}
	defer func() {
		if err != nil {
			_ = d.Close()
			d = nil
		}
	}()
	c := o.Config
	if err := d.lock(); err != nil {
		return d, err
	}
	set, err := c.Build()
	if err != nil {
		return d, err
	}
	var sinks []healer.Sink
	if o.Console != nil {
		sinks = append(sinks, o.Console)
	}
	if c.Healer.Log != "" {
		log, err := d.openLog()
		if err != nil {
			return d, err
		}
		sinks = append(sinks, log)
	}
	services, err := notify.Services(c.Alerts, nil)
	if err != nil {
		return d, err
	}
	if len(services) > 0 {
		told := sinks // an alert about alerts would go in circles
		host, _ := os.Hostname()
		d.alerter = alert.New(services, alert.Options{Title: strings.TrimSpace("Jarvis " + host), Report: func(text string) {
			for _, s := range told {
				s.Emit(healer.Event{Time: time.Now(), Type: healer.EventDegraded, Text: text})
			}
		}})
		sinks = append(append([]healer.Sink(nil), sinks...), d.alerter)
	}
	var leases nodes.Leases
	if dir := c.LeaseDir(); dir != "" {
		if leases, err = nodes.NewDirLeases(dir); err != nil {
			return d, err
		}
	}
	d.healer, err = healer.New(healer.Config{
		Nodes: set, Fallback: c.Fallback, Policy: c.Healer.Policy, StateFile: c.Healer.State, Leases: leases,
		Sinks: sinks, Champion: o.Champion, Version: o.Version, Rerun: o.Rerun, OnRegression: o.OnRegression,
	})
	if err != nil {
		return d, err
	}
	if address := c.Healer.Listen; address != "" {
		if d.listener, err = net.Listen("tcp", address); err != nil {
			return d, fmt.Errorf("status API: %w; is another program there? Choose another address as healer.listen, or off", err)
		}
		d.closers = append(d.closers, onlyOnce{d.listener})
	}
	if c.Gateway.Listen != "" {
		if d.front, err = newFront(c.Gateway, d.healer); err != nil {
			return d, err
		}
		d.closers = append(d.closers, onlyOnce{d.front.listener})
	}
	return d, nil
}

// onlyOnce lets a listener that its server closed be closed again.
type onlyOnce struct{ net.Listener }

func (o onlyOnce) Close() error {
	if err := o.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// lock keeps the state for this process. The operating system drops the lock
// with it.
func (d *Daemon) lock() error {
	path := d.options.Config.LockFile()
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("state: lock %s: %w; run it in a folder that you may write to, or name one as healer.state", path, err)
	}
	if !ok {
		_ = lock.Close()
		return fmt.Errorf("another jarvis-heal runs on %s; stop that one, or give this one its own healer.state", d.options.Config.Healer.State)
	}
	d.closers = append(d.closers, lock)
	return nil
}

// openLog opens the log, so that a folder that can't be written to is known
// before the first incident.
func (d *Daemon) openLog() (healer.Sink, error) {
	h := d.options.Config.Healer
	if err := os.MkdirAll(filepath.Dir(h.Log), 0o755); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := os.OpenFile(h.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log: %w; name a file that can be written as healer.log, or off", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	const mib = 1 << 20
	file := &lumberjack.Logger{Filename: h.Log, MaxSize: int((h.LogMaxSize + mib - 1) / mib), MaxBackups: oldLogs}
	d.closers = append(d.closers, file)
	return healer.NewLog(file), nil
}

// Listening is the status API's address, "" where there is none.
func (d *Daemon) Listening() string {
	if d.listener == nil {
		return ""
	}
	return d.listener.Addr().String()
}

// Gateway is the gateway's address, "" where there is none.
func (d *Daemon) Gateway() string {
	if d.front == nil {
		return ""
	}
	return d.front.listener.Addr().String()
}

// Repairing names the nodes that are being repaired now.
func (d *Daemon) Repairing() []string {
	var names []string
	for _, n := range d.healer.Status().Nodes {
		if n.State.UnderRepair() {
			names = append(names, n.Name)
		}
	}
	return names
}

// Run heals until ctx ends, and returns when the last repair is finished or
// undone, the alerts are on their way, and the log is written.
func (d *Daemon) Run(ctx context.Context) error {
	// What serves the healer outlives it: its last events are the interesting
	// ones.
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var served error
	var helpers conc.WaitGroup
	if d.alerter != nil {
		helpers.Go(func() { d.alerter.Run(after) })
	}
	if d.listener != nil {
		handler := statusapi.Guard(d.healer.Handler(), d.options.Config.Healer.Token)
		helpers.Go(func() { served = statusapi.Serve(after, d.listener, handler) })
	}
	var passed error
	if d.front != nil {
		helpers.Go(func() { passed = d.front.serve(ctx, d.options.Config) })
	}
	if d.options.History != nil && d.options.Judge != nil {
		watch := historyWatch{
			path: d.options.Config.History.Path, runs: d.options.History.Runs, judge: d.options.Judge, word: d.healer.Judge,
			fail: func(err error) {
				d.healer.Tell(healer.Event{Time: time.Now(), Type: healer.EventDegraded, Text: err.Error()})
			},
		}
		helpers.Go(func() { watch.run(ctx) })
	}
	if d.options.History != nil {
		undone := undoneWatch{
			store: d.options.History, tell: d.healer.Tell,
			nodes: func() []healer.NodeStatus { return d.healer.Status().Nodes },
		}
		helpers.Go(func() { undone.run(ctx) })
	}
	err := d.healer.Run(ctx)
	end()
	helpers.Wait()
	return errors.Join(err, served, passed)
}

// Close gives back what New took.
func (d *Daemon) Close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i].Close())
	}
	d.closers = nil
	return errors.Join(errs...)
}
