package serve

import (
	"errors"
	"syscall"
)

// closeToOthers removes a socket's permissions for others before it has a name. Its file
// gets what is left, less the umask, which may be 0, so no other user can connect before
// the file's own mode is set.
func closeToOthers(_, _ string, socket syscall.RawConn) error {
	var denied error
	err := socket.Control(func(descriptor uintptr) { denied = syscall.Fchmod(int(descriptor), socketMode) })
	return errors.Join(err, denied)
}
