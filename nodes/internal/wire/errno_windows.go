package wire

import (
	"errors"
	"syscall"
)

// Winsock's own numbers: a socket on Windows fails with these, never with
// syscall's invented ECONNREFUSED and ECONNRESET.
const (
	wsaConnectionAborted syscall.Errno = 10053
	wsaConnectionReset   syscall.Errno = 10054
	wsaConnectionRefused syscall.Errno = 10061
)

// connectionRefused reports whether nothing listened on the port.
func connectionRefused(err error) bool { return errors.Is(err, wsaConnectionRefused) }

// connectionReset reports whether the other side broke an open connection.
func connectionReset(err error) bool {
	return errors.Is(err, wsaConnectionReset) || errors.Is(err, wsaConnectionAborted)
}
