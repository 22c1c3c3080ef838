package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// File is an embedded file as it is sent: compressed where the client takes gzip, and with
// an ETag. It is read, hashed and compressed when it is first needed, and then kept.
type File struct {
	mediaType string
	content   func() content
	gzipped   func() []byte // nil where compression gains nothing
}

type content struct {
	plain []byte
	hash  string // of plain, 12 hex digits
}

// NewFile makes a File whose media type follows from the extension of its name. Only the
// extensions of contentTypes are known; others are sent as bytes without a type.
func NewFile(name string, read func() []byte) *File {
	f := &File{mediaType: contentTypes[path.Ext(name)]}
	if f.mediaType == "" {
		f.mediaType = "application/octet-stream"
	}
	f.content = sync.OnceValue(func() content {
		plain := read()
		sum := sha256.Sum256(plain)
		return content{plain, hex.EncodeToString(sum[:6])}
	})
	f.gzipped = sync.OnceValue(func() []byte { return compress(f.content().plain) })
	return f
}

// contentTypes is used instead of package mime, whose table differs between machines.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".ico":  "image/x-icon",
}

// compress returns nil where the result would not be smaller.
func compress(plain []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // a valid level
	_, _ = w.Write(plain)                                   // a buffer takes everything
	_ = w.Close()
	if out.Len() >= len(plain) {
		return nil
	}
	return bytes.Clone(out.Bytes())
}

// Serve answers GET and HEAD. The caller sets Cache-Control before.
//
// A Range header is ignored, as RFC 9110, section 14.2, allows.
func (f *File) Serve(w http.ResponseWriter, r *http.Request) {
	header, sent, etag := w.Header(), f.content().plain, f.content().hash
	header.Set("Content-Type", f.mediaType)
	if f.gzipped() != nil {
		header.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			sent, etag = f.gzipped(), etag+"-gzip"
			header.Set("Content-Encoding", "gzip")
		}
	}
	etag = `"` + etag + `"`
	header.Set("ETag", etag)
	if unchanged(r.Header.Values("If-None-Match"), etag) {
		header.Del("Content-Type")
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(sent)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(sent) // a client may have gone
	}
}

// unchanged compares If-None-Match weakly (RFC 9110, section 13.1.2): a gateway that
// compresses makes a strong ETag weak.
func unchanged(values []string, etag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(values, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3). A wildcard, or a weight that
// cannot be read, counts as no, which costs only bytes.
func acceptsGzip(values []string) bool {
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return wanted.MatchString(strings.TrimSpace(weight))
		}
	}
	return false
}

var wanted = regexp.MustCompile(`^([qQ]\s*=\s*(1(\.0*)?|0?\.[0-9]*[1-9][0-9]*))?$`)
