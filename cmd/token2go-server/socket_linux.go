package main

import (
	"errors"
	"syscall"
)

// closeToOthers takes a socket's permissions for others away before it has a name. The
// file of that name gets what is left, less the umask, which may be 0; so nobody slips in
// before the file's own mode is set.
func closeToOthers(_, _ string, socket syscall.RawConn) error {
	var denied error
	err := socket.Control(func(descriptor uintptr) { denied = syscall.Fchmod(int(descriptor), socketMode) })
	return errors.Join(err, denied)
}
