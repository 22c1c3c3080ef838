package rule_test

import (
	"net/url"
	"path"
	"strings"
)

// upstreamReadings are the paths that servers of different kinds make of a raw one,
// written apart from the package so that both do not share a mistake.
func upstreamReadings(raw string) []string {
	decoded := lenient(raw)
	twice := lenient(decoded)
	var readings []string
	for _, text := range []string{decoded, twice} {
		readings = append(readings, resolved(text), resolved(strings.ReplaceAll(text, `\`, "/")), resolved(cutParameters(text)))
		if i := strings.IndexAny(text, "?#"); i >= 0 {
			readings = append(readings, resolved(text[:i]))
		}
	}
	return readings
}

// lenient decodes percent-encoding where it is valid and leaves the rest.
func lenient(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		if len(text) >= 3 && text[0] == '%' {
			if decoded, err := url.PathUnescape(text[:3]); err == nil {
				out.WriteString(decoded)
				text = text[3:]
				continue
			}
		}
		out.WriteByte(text[0])
		text = text[1:]
	}
	return out.String()
}

func cutParameters(text string) string {
	var segments []string
	for segment := range strings.SplitSeq(text, "/") {
		name, _, _ := strings.Cut(segment, ";")
		segments = append(segments, name)
	}
	return strings.Join(segments, "/")
}

// resolved removes dot segments and empty ones, and keeps a slash at the end.
func resolved(text string) string {
	clean := path.Clean(text)
	if strings.HasSuffix(text, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
