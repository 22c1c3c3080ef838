package audit

import (
	"context"
	"errors"
	"io"
	"syscall"
)

// ErrNoReader is the cause with which the context of WithReader ends. Without a reader
// nothing can be recorded, and so nothing handed over: the server exits, to be restarted.
var ErrNoReader = errors.New("standard output has no reader any more, and nothing is handed over without a record")

// WithReader returns a writer to out, and a context that ends when a write finds that out
// has lost its reader. The process must ignore SIGPIPE.
func WithReader(ctx context.Context, out io.Writer) (context.Context, io.Writer) {
	ctx, end := context.WithCancelCause(ctx)
	return ctx, reader{out, end}
}

type reader struct {
	io.Writer
	end context.CancelCauseFunc
}

func (r reader) Write(lines []byte) (int, error) {
	written, err := r.Writer.Write(lines)
	if errors.Is(err, syscall.EPIPE) {
		r.end(ErrNoReader)
	}
	return written, err
}
