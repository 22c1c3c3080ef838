package doctor

import (
	"fmt"
	"maps"
	"slices"
)

// What does not fit yet but nearly does.

// headerLimit is how long one header line may be, in bytes: Apache's default
// LimitRequestFieldSize, and within a few bytes nginx's large_client_header_buffers.
const headerLimit = 8190

// The longest Location from an upstream that passes, in bytes, as measured: nginx with
// its 4 KB proxy_buffer_size, and Apache with its default ResponseFieldSize.
const (
	nginxLocation  = 4000
	apacheLocation = 8142
)

func headersNearLimit(e *examination) Verdict {
	total, limit := e.headerBytes(), e.options.MaxHeaderBytes
	if limit <= 0 || total < limit/4*3 {
		return Verdict{}
	}
	text := fmt.Sprintf("They are %s long in all; this server answers 431 above %s. The longest is %s.", size(total), size(limit), e.longest())
	return Verdict{Warn, "The headers are nearly too large for this server", text, append([]Fix{
		{ourselves, "Raise the limit.", fmt.Sprintf("T2G_MAX_HEADER_BYTES=%d", 2*limit)},
	}, smallSessionFixes()...)}
}

func lineNearLimit(e *examination) Verdict {
	name := e.longest()
	long := e.lineBytes(name)
	if long < headerLimit/4*3 {
		return Verdict{}
	}
	text := fmt.Sprintf("%s is %s long. By default nginx and Apache refuse a header line of more than 8 KB, with an answer that names no reason. Tokens grow with a person's roles, so some people may be shut out already.", hideName(name), size(long))
	return Verdict{Warn, "A header is nearly too large for proxies", text, append(headerSizeFixes(), smallSessionFixes()...)}
}

// longRedirect is about clients that take the answer of the redirect flow from a URL
// alone: those of the triple.
func longRedirect(e *examination) Verdict {
	if e.err != nil {
		return Verdict{}
	}
	long := tripleBytes(e.found.Secret.Len())
	if long <= e.options.MaxURL {
		return Verdict{}
	}
	level := Note
	if e.seen.has(nginx) && long > nginxLocation || e.seen.has(apache) && long > apacheLocation {
		level = Warn
	}
	text := fmt.Sprintf("With a token of %s the redirect flow's answer is a URL of about %s. By default nginx answers 502 above %d bytes and Apache above %d, which is a token of 5 to 6 KB: raise `proxy_buffer_size` or `responsefieldsize`. This concerns clients of token2go-server 1.0.3 only; those that let the server choose (auto) get a form instead.",
		size(e.found.Secret.Len()), size(long), nginxLocation, apacheLocation)
	return Verdict{level, "The redirect flow's answer is long", text, redirectFixes()}
}

// tripleBytes estimates the Location of a triple: key, nonce, state and target are about
// 560 bytes, the JSON around the token 300; base64 makes three bytes four, and one of
// its characters in sixteen becomes three bytes by percent-encoding.
func tripleBytes(token int) int { return 560 + (token+300)*17/12 }

// headerBytes is the size of all header lines, in bytes, with their line ends.
func (e *examination) headerBytes() int {
	total := len("Host: ") + len(e.request.Host) + len("\r\n")
	for name := range e.request.Header {
		total += e.lineBytes(name)
	}
	return total
}

func (e *examination) lineBytes(name string) int {
	total := 0
	for _, value := range e.request.Header[name] {
		total += len(name) + len(": ") + len(value) + len("\r\n")
	}
	return total
}

// longest is the name of the longest header, the first in the alphabet among equals.
func (e *examination) longest() string {
	longest, most := "", 0
	for _, name := range slices.Sorted(maps.Keys(e.request.Header)) {
		if bytes := e.lineBytes(name); bytes > most {
			longest, most = name, bytes
		}
	}
	return longest
}
