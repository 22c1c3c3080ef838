package serve

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

// Address is where a listener listens: a Unix socket, or a port with or without TLS.
type Address struct {
	Socket   string // path of a Unix socket; the rest is then not used
	Host     string
	Port     int    // 0: any free port
	CertFile string // PEM, read again when it changes; empty: no TLS
	KeyFile  string // PEM, likewise
}

// Listen binds an address.
func Listen(a Address, log *slog.Logger) (net.Listener, error) {
	if a.Socket != "" {
		return listenSocket(a.Socket)
	}
	listener, err := listenTCP(a.Host, a.Port)
	if err != nil || a.CertFile == "" {
		return listener, err
	}
	pair := &keyPair{certFile: a.CertFile, keyFile: a.KeyFile, log: log}
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

// socketMode is for owner and group: the gateway belongs to the socket's group.
const socketMode = 0o660

// listenSocket binds a Unix socket that its owner and group may use. A socket file without
// a listener is left over from a process that was killed, and replaced.
func listenSocket(path string) (net.Listener, error) {
	// Two servers may find the same left-over socket: without the lock, the second would
	// remove the new socket of the first.
	defer lockDirectory(filepath.Dir(path))()
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode()&os.ModeSocket == 0:
		return nil, fmt.Errorf("%s exists and is not a socket", path)
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
// result, a full queue included, means that a process still uses it.
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

// stamp distinguishes versions of a file.
type stamp struct {
	modified time.Time
	size     int64
}

// recheckInterval is the least time between two looks at the files.
const recheckInterval = time.Second

// certificate is called for each handshake. While a changed pair cannot be read, which
// happens while both files are being replaced, the earlier one stays in use.
func (k *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.checked) >= recheckInterval {
		k.checked = now
		if k.stat() != k.stamps {
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
	stamps := k.stat()
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return err
	}
	k.loaded, k.stamps = pair, stamps
	return nil
}

func (k *keyPair) stat() [2]stamp {
	var stamps [2]stamp
	for i, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{modified: info.ModTime(), size: info.Size()}
		}
	}
	return stamps
}
