//go:build unix

package cli

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// byteMode makes a terminal hand over every byte as it comes, without showing it; a
// read that finds nothing ends after a tenth of a second. All else stays: keys still
// send their signals, and what is printed meanwhile keeps its line ends.
func byteMode(file *os.File) (restore func(), err error) {
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	changed := *before
	changed.Lflag &^= unix.ICANON | unix.ECHO
	changed.Cc[unix.VMIN], changed.Cc[unix.VTIME] = 0, 1
	if err := unix.IoctlSetTermios(fd, setTermios, &changed); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }, nil
}

// readSoon reads what there is, or nothing after a while. io.EOF says that the terminal
// is gone.
func readSoon(file *os.File, part []byte) (int, error) {
	const far = 20 * time.Millisecond // a terminal that is gone answers at once
	begin := time.Now()
	for try := 0; ; try++ {
		n, err := unix.Read(int(file.Fd()), part)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			time.Sleep(time.Millisecond)
			return 0, nil
		case err != nil:
			return 0, err
		case n > 0 || time.Since(begin) >= far:
			return n, nil
		case try >= 10:
			return 0, io.EOF
		}
	}
}
