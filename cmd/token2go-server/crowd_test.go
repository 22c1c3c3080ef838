package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// crowd asks one server over and over. It speaks HTTP/1.1 over sockets of its own and
// reads no more of an answer than where it ends, so that what is measured is the server.
type crowd struct {
	callers  []*caller
	answered int // requests in all
}

// connections is how many requests are on their way at once.
const connections = 8

func newCrowd(address string, request []byte, status int) (*crowd, error) {
	c := &crowd{}
	for range connections {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			c.close()
			return nil, err
		}
		c.callers = append(c.callers, &caller{
			connection: connection, request: request, buffer: make([]byte, 64<<10),
			status: []byte("HTTP/1.1 " + strconv.Itoa(status) + " "),
		})
	}
	return c, nil
}

func (c *crowd) close() {
	for _, one := range c.callers {
		_ = one.connection.Close()
	}
}

// run asks for a slice of time and returns how many requests per second were answered.
// Every request that was sent has its answer when run returns.
func (c *crowd) run(slice time.Duration) (float64, error) {
	counts, errs := make([]int, len(c.callers)), make([]error, len(c.callers))
	var callers sync.WaitGroup
	begin := time.Now()
	for i, one := range c.callers {
		callers.Go(func() {
			for errs[i] == nil && time.Since(begin) < slice {
				_, errs[i] = one.call()
				counts[i]++
			}
		})
	}
	callers.Wait()
	spent, total := time.Since(begin), 0
	for _, count := range counts {
		total += count
	}
	c.answered += total
	return float64(total) / spent.Seconds(), errors.Join(errs...)
}

// caller is one connection that is kept alive.
type caller struct {
	connection net.Conn
	request    []byte
	status     []byte // how an answer begins
	buffer     []byte
}

var errAnswer = errors.New("unexpected answer")

// call sends the request and returns the whole answer, which the next call overwrites.
func (c *caller) call() ([]byte, error) {
	if _, err := c.connection.Write(c.request); err != nil {
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
		if !bytes.HasPrefix(answer, c.status) {
			return nil, fmt.Errorf("%w: %.300s", errAnswer, answer)
		}
		whole, err := isWhole(head, body)
		if err != nil || whole {
			return answer, err
		}
	}
}

// isWhole reports whether a body has come to its end. Token2go tells a length; another
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
