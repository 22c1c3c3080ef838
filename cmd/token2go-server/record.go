package main

import (
	"context"
	"errors"
	"io"
	"os/signal"
	"syscall"

	"github.com/token2go/token2go/internal/audit"
)

// errUnread says that whoever read the lines is gone. There is no record without a
// reader and no hand-over without a record, so the server ends and may be started anew.
var errUnread = errors.New("nobody reads standard output any more, and nothing is handed over without a record")

// record is where all lines go until nobody reads them any more, which ends the context
// that it returns.
func record(ctx context.Context, stdout io.Writer) (context.Context, *audit.Lines) {
	// By default this signal would end the process without a word and amid its answers.
	signal.Ignore(syscall.SIGPIPE)
	ctx, end := context.WithCancelCause(ctx)
	return ctx, audit.NewLines(reader{stdout, end})
}

// reader is the program at the other end of standard output.
type reader struct {
	io.Writer
	end context.CancelCauseFunc
}

func (r reader) Write(lines []byte) (int, error) {
	written, err := r.Writer.Write(lines)
	if errors.Is(err, syscall.EPIPE) {
		r.end(errUnread)
	}
	return written, err
}
