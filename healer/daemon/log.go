package daemon

import (
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/turbone/jarvis/healer"
)

// oldLogs is how many full log files are kept beside the current one.
const oldLogs = 3

// openLog opens the log file, so that a folder that can't be written to is
// known before the first incident.
func (d *Daemon) openLog(l Log) (healer.Sink, error) {
	if err := os.MkdirAll(filepath.Dir(l.Path), 0o755); err != nil {
		return nil, &Error{PartLog, err}
	}
	f, err := os.OpenFile(l.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, &Error{PartLog, err}
	}
	if err := f.Close(); err != nil {
		return nil, &Error{PartLog, err}
	}
	if l.MaxSize <= 0 {
		l.MaxSize = DefaultLogSize
	}
	const mib = 1 << 20
	file := &lumberjack.Logger{Filename: l.Path, MaxSize: int((l.MaxSize + mib - 1) / mib), MaxBackups: oldLogs}
	d.closers = append(d.closers, file)
	return healer.NewLog(file), nil
}
