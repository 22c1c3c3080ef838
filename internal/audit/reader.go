package audit

import (
	"context"
	"errors"
	"io"
	"syscall"
)

// ErrNoReader is why the context of WithReader ends. Nothing is handed over without a
// record and there is no record without a reader, so the server ends and may be restarted.
var ErrNoReader = errors.New("standard output has no reader any more, and nothing is handed over without a record")

// WithReader returns a context that ends when out has lost its reader, and the writer
// through which that is noticed. The process must ignore SIGPIPE.
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
