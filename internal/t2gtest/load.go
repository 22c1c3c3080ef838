package t2gtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// Load sends one server requests in a loop. It uses HTTP/1.1 over connections of its own and
// reads no more of an answer than where it ends, so that what is measured is the server.
type Load struct {
	Callers  []*Caller
	Answered int // requests in all
}

// NewLoad connects as many callers as are wanted. Each will send the request and take no
// answer with another status.
func NewLoad(callers int, dial func() (net.Conn, error), request []byte, status int) (*Load, error) {
	c := &Load{}
	for range callers {
		connection, err := dial()
		if err != nil {
			c.Close()
			return nil, err
		}
		c.Callers = append(c.Callers, &Caller{
			Request: request, Begins: []byte("HTTP/1.1 " + strconv.Itoa(status) + " "),
			connection: connection, buffer: make([]byte, 64<<10),
		})
	}
	return c, nil
}

// Close closes all connections.
func (c *Load) Close() {
	for _, one := range c.Callers {
		_ = one.connection.Close()
	}
}

// Run asks for a slice of time and returns how many requests per second were answered.
// Every request that was sent has its answer when Run returns.
func (c *Load) Run(slice time.Duration) (float64, error) {
	counts, errs := make([]int, len(c.Callers)), make([]error, len(c.Callers))
	var callers sync.WaitGroup
	begin := time.Now()
	for i, one := range c.Callers {
		callers.Go(func() {
			for errs[i] == nil && time.Since(begin) < slice {
				_, errs[i] = one.Call()
				counts[i]++
			}
		})
	}
	callers.Wait()
	spent, total := time.Since(begin), 0
	for _, count := range counts {
		total += count
	}
	c.Answered += total
	return float64(total) / spent.Seconds(), errors.Join(errs...)
}

// Caller is one connection that is kept alive.
type Caller struct {
	Request []byte
	Begins  []byte // how an answer begins

	connection net.Conn
	buffer     []byte
}

var errAnswer = errors.New("unexpected answer")

// Call sends the request and returns the whole answer, which the next call overwrites.
func (c *Caller) Call() ([]byte, error) {
	if _, err := c.connection.Write(c.Request); err != nil {
		return nil, err
	}
	for length := 0; ; {
		read, err := c.connection.Read(c.buffer[length:])
		if err != nil {
			return nil, err
		}
		length += read
		answer := c.buffer[:length]
		head, body, found := bytes.Cut(answer, []byte("\r\n\r\n"))
		if !found {
			continue
		}
		if !bytes.HasPrefix(answer, c.Begins) {
			return nil, fmt.Errorf("%w: %.300s", errAnswer, answer)
		}
		whole, err := isWhole(head, body)
		if err != nil || whole {
			return answer, err
		}
	}
}

// isWhole reports whether a body has come to its end. Token2go sends a length; another
// server may send chunks.
func isWhole(head, body []byte) (bool, error) {
	if bytes.Contains(head, []byte("\r\nTransfer-Encoding: chunked")) {
		return bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n")), nil
	}
	length, err := contentLength(head)
	return len(body) >= length, err
}

func contentLength(head []byte) (int, error) {
	_, rest, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return 0, fmt.Errorf("%w: no Content-Length", errAnswer)
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return strconv.Atoi(string(digits))
}
