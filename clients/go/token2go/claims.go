package token2go

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// expiryOf returns when a token expires that is a JWT, unverified; zero when it is none,
// or has no exp that can be used. openapi/vectors/claims.json has the rules.
func expiryOf(text string) time.Time {
	const year10000 = 253402300800 // in seconds since 1970
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	if algorithm, is := readObject(parts[0])["alg"].(string); !is || algorithm == "" {
		return time.Time{}
	}
	exp, is := readObject(parts[1])["exp"].(json.Number)
	if !is {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(exp.String(), 64)
	if err != nil || seconds <= 0 || seconds >= year10000 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// readObject decodes a part of a JWT; nil when it is no JSON object in base64url.
func readObject(part string) map[string]any {
	const maxDepth = 100
	content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var object map[string]any
	if decoder.Decode(&object) != nil || depth(object) > maxDepth {
		return nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return object
}

// depth counts the levels of lists and objects.
func depth(value any) int {
	deepest := 0
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			deepest = max(deepest, depth(member))
		}
	case []any:
		for _, member := range value {
			deepest = max(deepest, depth(member))
		}
	default:
		return 0
	}
	return deepest + 1
}
