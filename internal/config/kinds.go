package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// kind is what texts of one sort have in common.
type kind struct {
	convert func(string) (string, error) // of a text, or of one item of a list
	allowed string
	lines   bool // line breaks and tabs may be in it, in a list only around its items
	fold    bool // items of a list that differ by case are the same
	path    bool // names a file
	private bool // names a file that others must not read
}

// kinds is what the tag is may say.
func kinds() map[string]kind {
	return map[string]kind{
		"text":              {convert: anyText, allowed: "one line of text"},
		"html":              {convert: anyText, allowed: "HTML without inline styles or scripts", lines: true},
		"link":              {convert: link, allowed: "a path that begins with one slash, or an http or https URL"},
		"address":           {convert: listenHost, allowed: "an IP address or a host name, without a port"},
		"host":              {convert: hostPattern, allowed: "host names or addresses, each perhaps with a port, separated by commas; * for every name"},
		"header":            {convert: fieldName, allowed: "header names, separated by commas", fold: true},
		"one header":        {convert: fieldName, allowed: "one header name"},
		"base path":         {convert: basePath, allowed: "an absolute path of segments made of letters, digits and . _ ~ -"},
		"socket":            {convert: socketPath, allowed: "an absolute path of at most 107 bytes in a directory that exists", path: true},
		"file":              {convert: anyText, allowed: "path of a readable file", path: true},
		"private file":      {convert: anyText, allowed: "path of a readable file", path: true, private: true},
		"issuer":            {convert: issuer, allowed: "an http or https URL, exactly as the issuer writes itself in tokens"},
		"origin":            {convert: origin, allowed: "origins such as https://app.example.org, separated by commas"},
		"claim":             {convert: claimPath, allowed: "the name of a claim, or names with dots between them for a claim within claims"},
		"claim value":       {convert: claimValue, allowed: "a claim, a colon and the value that is wanted"},
		"role and duration": {convert: forRole(roleDuration), allowed: "roles or groups, each with = and a duration of at least 1m and at most 3650d, separated by commas"},
		"role and number":   {convert: forRole(roleNumber), allowed: "roles or groups, each with = and a whole number of at least 1 and at most 100000, separated by commas"},
		"key prefix":        {convert: keyPrefix, allowed: "2 to 12 characters of a-z and 0-9"},
	}
}

func (r row) kindOf() kind {
	lowest, highest := r.tag.Get("min"), r.tag.Get("max")
	switch r.field {
	case reflect.TypeFor[bool]():
		return kind{allowed: "true or false"}
	case reflect.TypeFor[int]():
		return kind{allowed: fmt.Sprintf("a whole number from %s to %s", lowest, highest)}
	case reflect.TypeFor[time.Duration]():
		return kind{allowed: fmt.Sprintf("a duration from %s to %s", lowest, highest)}
	case reflect.TypeFor[slog.Level]():
		return kind{allowed: "debug, info, warn or error"}
	case reflect.TypeFor[*url.URL]():
		return kind{allowed: "an http or https URL: host, perhaps port and path; no user name, query or fragment"}
	case reflect.TypeFor[[]netip.Prefix]():
		return kind{allowed: "networks and single addresses, separated by commas", lines: true}
	}
	isList := r.field.Kind() == reflect.Slice
	if words := r.tag.Get("oneof"); words != "" {
		return wordKind(strings.Split(words, ","), isList)
	}
	is := r.tag.Get("is")
	if is == "" {
		is = "text"
	}
	k := kinds()[is]
	k.lines = k.lines || isList
	return k
}

func wordKind(words []string, isList bool) kind {
	last := len(words) - 1
	others := strings.Join(words[:last], ", ")
	if isList {
		return kind{convert: oneOf(words...), allowed: "at least one of " + others + " and " + words[last] + ", separated by commas", lines: true}
	}
	return kind{convert: oneOf(words...), allowed: others + " or " + words[last]}
}

// parse converts a text to the type of the row's field. The error never quotes the
// text: shown decides what may be quoted.
func (r row) parse(text string) (any, error) {
	if err := legible(text, r.kind.lines); err != nil {
		return nil, err
	}
	switch r.field {
	case reflect.TypeFor[bool]():
		return boolean(text)
	case reflect.TypeFor[int]():
		if r.tag.Get("off") != "" && strings.EqualFold(text, "off") {
			return Off, nil
		}
		lowest, _ := strconv.Atoi(r.tag.Get("min"))
		highest, _ := strconv.Atoi(r.tag.Get("max"))
		return number(lowest, highest)(text)
	case reflect.TypeFor[time.Duration]():
		lowest, _ := parseDuration(r.tag.Get("min"))
		highest, _ := parseDuration(r.tag.Get("max"))
		return duration(lowest, highest)(text)
	case reflect.TypeFor[slog.Level]():
		return level(text)
	case reflect.TypeFor[*url.URL]():
		return publicURL(text)
	case reflect.TypeFor[[]netip.Prefix]():
		return list(network, netip.Prefix.String)(text)
	case reflect.TypeFor[string]():
		return r.kind.convert(text)
	case reflect.TypeFor[[]string]():
		key := exact
		if r.kind.fold {
			key = strings.ToLower
		}
		return list(r.kind.convert, key)(text)
	}
	return nil, errors.New("no parser for " + r.field.String())
}

// written is a value in the form in which it can be given.
func written(value any) string {
	switch value := value.(type) {
	case int:
		if value == Off {
			return "off"
		}
	case time.Duration:
		if value >= day && value%day == 0 {
			return strconv.Itoa(int(value/day)) + "d"
		}
		return wholeUnits(value.String())
	case []string:
		return strings.Join(value, ",")
	case []netip.Prefix:
		texts := make([]string, len(value))
		for i, prefix := range value {
			texts[i] = prefix.String()
		}
		return strings.Join(texts, ",")
	case *url.URL:
		if value == nil {
			return ""
		}
		return value.String()
	case fmt.Stringer:
		return strings.ToLower(value.String())
	}
	return fmt.Sprint(value)
}

// wholeUnits takes the zeros at the end of a duration away: 1h0m0s is 1h.
func wholeUnits(text string) string {
	if rest, found := strings.CutSuffix(text, "m0s"); found {
		text = rest + "m"
	}
	if rest, found := strings.CutSuffix(text, "h0m"); found {
		text = rest + "h"
	}
	return text
}
