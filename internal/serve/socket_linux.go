package serve

import (
	"errors"
	"syscall"
)

// closeToOthers sets a socket's mode before it is bound. Its file gets that mode less the
// umask, which may be 0, so no other user can connect before the file's mode is set.
func closeToOthers(_, _ string, socket syscall.RawConn) error {
	var denied error
	err := socket.Control(func(descriptor uintptr) { denied = syscall.Fchmod(int(descriptor), socketMode) })
	return errors.Join(err, denied)
}
