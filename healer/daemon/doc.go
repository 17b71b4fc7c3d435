// Package daemon puts together all that runs beside the watchdog in a program
// that serves a cluster around the clock: the log, the alerts, the status API,
// the gateway, the history whose runs are judged, the tournaments that a
// regression asks for, and the lock that keeps a second daemon off the same
// state file.
//
// A [Daemon] is made from values: it reads no flags, no environment and no
// configuration file. The jarvis-heal command is this package with a command
// line.
//
//	d, err := daemon.New(ctx, daemon.Config{
//		Healer: healer.Config{Nodes: set, StateFile: "state.json"},
//		Status: daemon.Status{Listen: "127.0.0.1:7070"},
//	})
//	if err != nil {
//		return err
//	}
//	defer d.Close()
//	return d.Run(ctx)
package daemon
