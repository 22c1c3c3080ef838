package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// listenGateway binds the gateway door: a Unix socket, or a port with or without TLS.
func listenGateway(s settings, log *slog.Logger) (net.Listener, error) {
	if s.ServerSocket != "" {
		return listenSocket(s.ServerSocket)
	}
	listener, err := listenTCP(s.ServerHost, s.ServerPort)
	if err != nil || s.TLSCertFile == "" {
		return listener, err
	}
	pair := &keyPair{certFile: s.TLSCertFile, keyFile: s.TLSKeyFile, log: log}
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

// listenSocket binds a Unix socket that its owner and group may use. A socket file that
// nobody listens on any more is left over from a process that was killed.
func listenSocket(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&os.ModeSocket == 0:
		return nil, fmt.Errorf("%s is there and is not a socket", path)
	default:
		if connection, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = connection.Close()
			return nil, fmt.Errorf("%s is in use by another process", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// keyPair is a certificate with its key, read again when one of the files changes.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  tls.Certificate
	changed time.Time // the later of the files' times when they were loaded
	checked time.Time
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
		if k.modified() != k.changed {
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
	changed := k.modified()
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return err
	}
	k.loaded, k.changed = pair, changed
	return nil
}

func (k *keyPair) modified() time.Time {
	var latest time.Time
	for _, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest
}
