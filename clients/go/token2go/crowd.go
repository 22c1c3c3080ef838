package token2go

import (
	"container/list"
	"net"
	"sync"
)

// crowd is a listener whose oldest connection makes room when there are too many. The
// browser's takes milliseconds; whoever opens a thousand and says nothing can neither
// use up this process's file descriptors nor keep the browser out.
type crowd struct {
	net.Listener
	most  int
	mu    sync.Mutex
	conns *list.List // of net.Conn, the oldest first
}

func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns.Len() >= c.most {
		oldest, _ := c.conns.Remove(c.conns.Front()).(net.Conn)
		_ = oldest.Close()
	}
	return &guest{Conn: conn, crowd: c, place: c.conns.PushBack(conn)}, nil
}

// guest leaves the crowd when it is closed.
type guest struct {
	net.Conn
	crowd *crowd
	place *list.Element
}

func (g *guest) Close() error {
	g.crowd.mu.Lock()
	g.crowd.conns.Remove(g.place) // nothing happens where it was removed already
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}
