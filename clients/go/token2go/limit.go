package token2go

import (
	"container/list"
	"net"
	"sync"
)

// limitedListener closes its oldest connection when there are too many, so that idle
// connections neither use up file descriptors nor keep the browser out.
type limitedListener struct {
	net.Listener
	limit int
	mu    sync.Mutex
	conns *list.List // of net.Conn, the oldest first
}

func limitListener(l net.Listener, limit int) *limitedListener {
	return &limitedListener{Listener: l, limit: limit, conns: list.New()}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns.Len() >= l.limit {
		oldest, _ := l.conns.Remove(l.conns.Front()).(net.Conn)
		_ = oldest.Close()
	}
	return &limitedConn{Conn: conn, listener: l, element: l.conns.PushBack(conn)}, nil
}

// limitedConn is no longer counted when it is closed.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	element  *list.Element
}

func (c *limitedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.conns.Remove(c.element) // does nothing where it was removed already
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
