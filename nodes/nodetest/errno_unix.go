//go:build !windows

package nodetest

import "syscall"

const connectionRefused = syscall.ECONNREFUSED
