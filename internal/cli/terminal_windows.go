package cli

import (
	"os"

	"golang.org/x/term"
)

// byteMode makes a console hand over every byte as it comes, Ctrl-C among them, without
// showing it.
func byteMode(file *os.File) (restore func(), err error) {
	fd := int(file.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(fd, before) }, nil
}

// readSoon reads what comes next.
func readSoon(file *os.File, part []byte) (int, error) { return file.Read(part) }
