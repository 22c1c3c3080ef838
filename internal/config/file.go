package config

import (
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const fileBytes = 1 << 20 // more than any token, key or certificate chain has

// readRegular reads a regular file of at most fileBytes. Anything else could block
// the start (a pipe) or never end (a device). The error holds no path.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, fileBytes+1))
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case len(content) > fileBytes:
		return nil, errors.New("more than 1 MiB")
	case len(content) == 0:
		return nil, errors.New("the file is empty")
	}
	return content, nil
}

func withoutPath(err error) error {
	if wrapped, found := errors.AsType[*fs.PathError](err); found {
		return wrapped.Err
	}
	return err
}

// pathShown quotes a path. A text that names no file and does not begin as a path
// does may be the secret itself, put where its file's path belongs.
func pathShown(path string, exists bool) string {
	looks := filepath.IsAbs(path) || strings.HasPrefix(path, "./") || strings.HasPrefix(path, "../")
	if credential.MatchString(path) || !exists && !looks {
		return size(path)
	}
	return strconv.Quote(clipped(path))
}

// checkTLS wants both files or none, each readable, and a key that fits.
func (r *reader) checkTLS(c Config) {
	const certName, keyName = "T2G_TLS_CERT_FILE", "T2G_TLS_KEY_FILE"
	if !r.sound(certName, keyName) || c.TLSCertFile == "" && c.TLSKeyFile == "" {
		return
	}
	cert, certRead := r.pem(certName, c.TLSCertFile)
	key, keyRead := r.pem(keyName, c.TLSKeyFile)
	if !certRead || !keyRead {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.add(certName, pathShown(c.TLSCertFile, true)+because(err), r.rows[certName].Allowed)
	}
}

func (r *reader) pem(name, path string) ([]byte, bool) {
	if path == "" {
		r.add(name, "nothing", r.rows[name].Allowed)
		return nil, false
	}
	content, err := readRegular(path)
	if err != nil {
		r.add(name, pathShown(path, false)+because(err), r.rows[name].Allowed)
	}
	return content, err == nil
}
