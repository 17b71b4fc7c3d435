package nodetest

import "syscall"

// connectionRefused is Winsock's error, which is not syscall's ECONNREFUSED.
const connectionRefused syscall.Errno = 10061
