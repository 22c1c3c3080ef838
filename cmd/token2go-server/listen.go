package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// listenGateway binds the gateway door: a Unix socket, or a port with or without TLS.
func listenGateway(s settings, log *slog.Logger) (net.Listener, error) {
	if s.Gateway.Socket != "" {
		return listenSocket(s.Gateway.Socket)
	}
	listener, err := listenTCP(s.Gateway.Host, s.Gateway.Port)
	if err != nil || s.Gateway.TLSCertFile == "" {
		return listener, err
	}
	pair := &keyPair{certFile: s.Gateway.TLSCertFile, keyFile: s.Gateway.TLSKeyFile, log: log}
	if err := pair.load(); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: pair.certificate,
	}), nil
}

func listenTCP(host string, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use; stop what listens there or choose another port", port)
	}
	return listener, err
}

// socketMode lets the gateway be of the socket's group.
const socketMode = 0o660

// listenSocket binds a Unix socket that its owner and group may use. A socket file that
// nobody listens on any more is left over from a process that was killed.
func listenSocket(path string) (net.Listener, error) {
	// Of two that find the same left-over, the later would remove the socket of the first.
	defer lockFolder(filepath.Dir(path))()
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&os.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is not a socket", path)
	default:
		if err := removeLeftover(path); err != nil {
			return nil, err
		}
	}
	listener, err := (&net.ListenConfig{Control: closeToOthers}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// removeLeftover removes a socket file on which connections are refused. Any other
// answer, a full queue among them, is that of a process which still has it.
func removeLeftover(path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = connection.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return os.Remove(path)
}

// keyPair is a certificate with its key, read again when one of the files changes.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  tls.Certificate
	stamps  [2]stamp // of both files when they were loaded
	checked time.Time
}

// stamp tells a file from what it was before.
type stamp struct {
	modified time.Time
	size     int64
}

// recheck is how often the files are looked at, at most.
const recheck = time.Second

// certificate is what a handshake is given. A pair that cannot be read any more, which
// happens while both files are being replaced, leaves the earlier one in use.
func (k *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.checked) >= recheck {
		k.checked = now
		if k.look() != k.stamps {
			if err := k.read(); err != nil {
				k.log.Error("certificate not read again, the earlier one stays", "cause", err)
			}
		}
	}
	current := k.loaded
	return &current, nil
}

func (k *keyPair) load() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.read()
}

func (k *keyPair) read() error {
	stamps := k.look()
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return err
	}
	k.loaded, k.stamps = pair, stamps
	return nil
}

func (k *keyPair) look() [2]stamp {
	var stamps [2]stamp
	for i, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{modified: info.ModTime(), size: info.Size()}
		}
	}
	return stamps
}
