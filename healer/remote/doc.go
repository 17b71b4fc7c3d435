// Package remote is a client of a healer that runs in another process: a
// [healer.Healer] that speaks the status API of a daemon.
//
//	h, err := remote.New(remote.Config{Address: "127.0.0.1:7070"})
//	if err != nil {
//		return err
//	}
//	for e, err := range h.Events(ctx, 0) {
//		…
//	}
package remote
