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

	"github.com/turbone/jarvis/healer"
	"github.com/turbone/jarvis/healer/alert"
	"github.com/turbone/jarvis/history"
	"github.com/turbone/jarvis/nodes"
)

// Daemon is a watchdog with its log, alerts, addresses and history. Make one
// with [New], call Run once, and Close it. Its other methods are safe for
// concurrent use.
type Daemon struct {
	config   Config
	healer   *healer.Watchdog
	alerter  *alert.Alerter // nil without services to tell
	history  history.HistoryStore
	listener net.Listener // nil without a status API
	gateway  *gatewayServer
	closers  []io.Closer // in the order of their opening
}

// New opens all that the daemon needs: the lock of the state file, the log, the
// leases, the history, the addresses. An error that concerns one of these is an
// *[Error]. Nothing is listened to or probed before Run.
func New(ctx context.Context, c Config) (_ *Daemon, err error) {
	d := &Daemon{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	for _, open := range []func(context.Context) error{
		d.lock, d.openHistory, d.openSinks, d.openHealer, d.listen,
	} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// lock takes the lock of the state file for this process. The operating system
// gives it back if the process dies.
func (d *Daemon) lock(context.Context) error {
	path := lockFile(d.config.Healer.StateFile)
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return &Error{PartState, err}
	}
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return &Error{PartState, fmt.Errorf("lock %s: %w", path, err)}
	}
	if !ok {
		_ = lock.Close()
		return &Error{PartState, fmt.Errorf("%w: %s", ErrRunning, d.config.Healer.StateFile)}
	}
	d.closers = append(d.closers, lock)
	return nil
}

// openHistory opens the history, and lets the watchdog's status show its
// champion.
func (d *Daemon) openHistory(ctx context.Context) error {
	h := &d.config.History
	d.history = h.Store
	if d.history == nil && h.Path != "" {
		store, closer, err := OpenHistory(ctx, h.Path, h.Keep)
		if err != nil {
			return &Error{PartHistory, err}
		}
		d.history = store
		d.closers = append(d.closers, closer)
	}
	if h.Judge == nil {
		h.Judge = Regressions(h.Weights)
	}
	if d.history != nil && d.config.Healer.Champion == nil {
		d.config.Healer.Champion = func(ctx context.Context) (*healer.Champion, error) { return championOf(ctx, d.history) }
	}
	return nil
}

// openSinks opens the log and the alerts.
func (d *Daemon) openSinks(context.Context) error {
	c := &d.config
	sinks := append([]healer.Sink(nil), c.Healer.Sinks...)
	if c.Log.Path != "" {
		log, err := d.openLog(c.Log)
		if err != nil {
			return err
		}
		sinks = append(sinks, log)
	}
	if len(c.Alerts.Services) > 0 {
		told := sinks // an alert about failed alerts would go in circles
		options := c.Alerts.Options
		if options.Report == nil {
			options.Report = func(text string) {
				for _, s := range told {
					s.Emit(healer.Event{Time: time.Now(), Type: healer.EventDegraded, Detail: text})
				}
			}
		}
		if options.Title == "" {
			host, _ := os.Hostname()
			options.Title = strings.TrimSpace("Jarvis " + host)
		}
		d.alerter = alert.New(c.Alerts.Services, options)
		sinks = append(append([]healer.Sink(nil), sinks...), d.alerter)
	}
	c.Healer.Sinks = sinks
	return nil
}

// openHealer makes the watchdog.
func (d *Daemon) openHealer(context.Context) (err error) {
	c := &d.config.Healer
	if dir := LeaseDir(c.StateFile); dir != "" && c.Leases == nil {
		if c.Leases, err = nodes.NewDirLeases(dir); err != nil {
			return &Error{PartState, err}
		}
	}
	if c.Rerun == nil && d.config.HoldTournament != nil {
		t := tournaments{
			set: c.Nodes, store: d.history, hold: d.config.HoldTournament,
			serving: healer.OpenState(c.StateFile).Serving,
		}
		c.Rerun = t.rerun
	}
	d.healer, err = healer.New(*c)
	return err
}

// listen takes the addresses.
func (d *Daemon) listen(context.Context) (err error) {
	if address := d.config.Status.Listen; address != "" {
		if d.listener, err = net.Listen("tcp", address); err != nil {
			return &Error{PartStatus, err}
		}
		d.closers = append(d.closers, onceCloser{d.listener})
	}
	if d.config.Gateway.Listen != "" {
		if d.gateway, err = newGatewayServer(d.config.Gateway, d.healer); err != nil {
			return &Error{PartGateway, err}
		}
		d.closers = append(d.closers, onceCloser{d.gateway.listener})
	}
	return nil
}

// onceCloser lets a listener that its server closed be closed again.
type onceCloser struct{ net.Listener }

func (o onceCloser) Close() error {
	if err := o.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Healer returns the daemon's watchdog.
func (d *Daemon) Healer() *healer.Watchdog { return d.healer }

// StatusAddress returns the address of the status API, "" if there is none.
func (d *Daemon) StatusAddress() string {
	if d.listener == nil {
		return ""
	}
	return d.listener.Addr().String()
}

// GatewayAddress returns the address of the gateway, "" if there is none.
func (d *Daemon) GatewayAddress() string {
	if d.gateway == nil {
		return ""
	}
	return d.gateway.listener.Addr().String()
}

// Run watches the nodes and heals them until ctx ends. It returns when the last
// repair is finished or undone, the alerts are delivered or given up on, and the
// log is written.
func (d *Daemon) Run(ctx context.Context) error {
	// The status API and the alerts go on until the watchdog has ended: its last
	// events matter most.
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var statusErr, gatewayErr error
	var helpers conc.WaitGroup
	if d.alerter != nil {
		helpers.Go(func() { d.alerter.Run(after) })
	}
	if d.listener != nil {
		handler := Guard(healer.NewHandler(d.healer), d.config.Status.Token)
		helpers.Go(func() { statusErr = serveStatus(after, d.listener, handler) })
	}
	if d.gateway != nil {
		grace := d.config.Healer.Policy.Grace
		switch grace {
		case 0:
			grace = healer.DefaultPolicy().Grace
		case healer.Off:
			grace = 0
		}
		helpers.Go(func() { gatewayErr = d.gateway.serve(ctx, grace) })
	}
	if d.history != nil {
		helpers.Go(func() { d.watchHistory().run(ctx) })
		helpers.Go(func() { d.watchDemotions().run(ctx) })
	}
	err := d.healer.Run(ctx)
	end()
	helpers.Wait()
	return errors.Join(err, statusErr, gatewayErr)
}

// watchHistory has the runs of the history judged.
func (d *Daemon) watchHistory() historyWatch {
	return historyWatch{
		path: d.config.History.Path, runs: d.history.Runs, judge: d.config.History.Judge, result: d.healer.Judge,
		failed: func(err error) {
			d.healer.Tell(healer.Event{Time: time.Now(), Type: healer.EventDegraded, Detail: err.Error()})
		},
	}
}

// watchDemotions corrects the champion after a promotion was rolled back.
func (d *Daemon) watchDemotions() demotionWatch {
	return demotionWatch{
		store: d.history, tell: d.healer.Tell,
		nodes: func() []healer.NodeStatus {
			status, _ := d.healer.Status(context.Background()) // a watchdog's own has no error
			return status.Nodes
		},
	}
}

// Close gives back what New took: the addresses, the files, the lock. Run must
// have returned, if it was called.
func (d *Daemon) Close() error {
	var errs []error
	for i := len(d.closers) - 1; i >= 0; i-- {
		errs = append(errs, d.closers[i].Close())
	}
	d.closers = nil
	return errors.Join(errs...)
}
