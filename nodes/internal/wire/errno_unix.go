//go:build !windows

package wire

import (
	"errors"
	"syscall"
)

// connectionRefused reports whether nothing listened on the port.
func connectionRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// connectionReset reports whether the other side broke an open connection.
func connectionReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPIPE)
}
