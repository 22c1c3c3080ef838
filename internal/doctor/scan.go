package doctor

import (
	"fmt"
	"strings"
)

// A text is looked through in four passes, each of which replaces what it finds by kind
// and length. What they leave is shown, so where they err they hide too much.
//
//   - The user part of a URL, and every value of a URL's query: short ones too.
//   - What follows the name of an authentication scheme.
//   - What begins as a JWT does and has a dot (RFC 7519, RFC 7516).
//   - A long random text: see random.
func (a alphabet) hide(text string) string {
	return a.hideRandom(hideJWTs(hideAfterSchemes(hideQueries(hideUsers(text)))))
}

// alphabet is which bytes a random text may be made of. Base64 has the slash in it;
// in a URL it parts the segments of a path.
type alphabet struct{ slash bool }

func (a alphabet) holds(b byte) bool {
	return alphanumeric(b) || strings.IndexByte("-_+=~%", b) >= 0 || a.slash && b == '/'
}

func alphanumeric(b byte) bool { return class(b) != 0 }

func class(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return '0'
	case b >= 'a' && b <= 'z':
		return 'a'
	case b >= 'A' && b <= 'Z':
		return 'A'
	}
	return 0
}

// hidden replaces text: its kind and its length.
func hidden(text string) string { return fmt.Sprintf("[%s, %s]", kind(text), bytes(text)) }

// withheld replaces text whose kind is known from its position, or does not matter.
func withheld(what, text string) string {
	if what == "" {
		return "[" + bytes(text) + "]"
	}
	return fmt.Sprintf("[%s, %s]", what, bytes(text))
}

func bytes(text string) string { return count(len(text), "byte") }

func kind(text string) string {
	if beginsAsJWT(text) {
		switch strings.Count(text, ".") {
		case 2:
			return "JWT"
		case 4:
			return "JWE"
		}
	}
	return "opaque text"
}

// beginsAsJWT reports whether text begins with base64url of an opening brace and what
// may follow it in JSON: a quotation mark, or white space of which there are four.
func beginsAsJWT(text string) bool {
	for _, start := range []string{"eyJ", "eyA", "ewo", "ew0", "ewk"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

// hideJWTs replaces what begins as a JWT does, with what is glued to it in front.
func hideJWTs(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && (alphanumeric(text[i]) || strings.IndexByte("-_=+", text[i]) >= 0) {
			i++
		}
		if i < len(text) && text[i] == '.' && holdsJWTStart(text[start:i]) {
			for i < len(text) && (alphanumeric(text[i]) || strings.IndexByte("-_=+.", text[i]) >= 0) {
				i++
			}
			out.WriteString(hidden(text[start:i]))
			continue
		}
		if i < len(text) {
			i++
		}
		out.WriteString(text[start:i])
	}
	return out.String()
}

// holdsJWTStart reports whether a JWT begins in text, which ends at its first dot. The
// shortest header, {"alg":""}, is 14 characters of base64url.
func holdsJWTStart(text string) bool {
	for i := 0; i+14 <= len(text); i++ {
		if beginsAsJWT(text[i:]) {
			return true
		}
	}
	return false
}

// hideRandom replaces each longest run of the alphabet that is random.
func (a alphabet) hideRandom(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && a.holds(text[i]) {
			i++
		}
		if run := text[start:i]; random(run) {
			out.WriteString(hidden(run))
		} else {
			out.WriteString(run)
		}
		if i < len(text) {
			out.WriteByte(text[i])
			i++
		}
	}
	return out.String()
}

// random reports whether a run of letters, digits and the marks of base64 looks like no
// word: 32 letters and digits without a mark between them, or, within 20 characters, 4
// changes from letter to digit, digit to letter or small letter to capital. Names, even
// those with a version or written LikeThis, have 3 at most; of 20 random characters
// about one text in a hundred has so few, and of 32 hardly any.
func random(run string) bool {
	const window, changes, unbroken = 20, 4, 32
	if len(run) < window {
		return false
	}
	inWindow, straight := 0, 0
	for i := range len(run) {
		if straight++; !alphanumeric(run[i]) {
			straight = 0
		}
		if i > 0 && changesClass(run[i-1], run[i]) {
			inWindow++
		}
		if i >= window && changesClass(run[i-window], run[i-window+1]) {
			inWindow--
		}
		if inWindow >= changes || straight >= unbroken {
			return true
		}
	}
	return false
}

// changesClass leaves out a capital before a small letter, which begins a word.
func changesClass(before, after byte) bool {
	x, y := class(before), class(after)
	return x != 0 && y != 0 && x != y && (x != 'A' || y != 'a')
}

// hideUsers replaces what is between // and @ in a URL.
func hideUsers(text string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "//")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteString("//")
		authority := after
		if end := strings.IndexAny(after, "/?# \t\"<>"); end >= 0 {
			authority = after[:end]
		}
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			out.WriteString(withheld("", after[:at]))
			after = after[at:]
		}
		text = after
	}
}

// hideQueries replaces the values in the query and fragment of every URL in text.
func hideQueries(text string) string {
	var out strings.Builder
	lastPair := strings.LastIndexByte(text, '=')
	shown := 0
	for i := 0; i < len(text); i++ {
		if !opensQuery(text, i, lastPair) {
			continue
		}
		query := text[i+1:]
		if end := strings.IndexAny(query, " \t\"<>"); end >= 0 {
			query = query[:end]
		}
		out.WriteString(text[shown : i+1])
		out.WriteString(hidePairs(query))
		i += len(query)
		shown = i + 1
	}
	return out.String() + text[min(shown, len(text)):]
}

// opensQuery reports whether a query begins after text[i]. Browsers send values like ?1,
// which is none: there must be something before the question mark or a pair after it. A
// fragment is looked at where it has pairs.
func opensQuery(text string, i, lastPair int) bool {
	switch text[i] {
	case '?':
		return i < lastPair || i > 0 && text[i-1] > ' ' && text[i-1] != '"'
	case '#':
		return i < lastPair
	}
	return false
}

// hidePairs replaces the values of name=value pairs, and pieces without a name whole.
func hidePairs(query string) string {
	var out strings.Builder
	for query != "" {
		end := strings.IndexAny(query, "&;#?")
		piece := query
		if end >= 0 {
			piece = query[:end]
		}
		out.WriteString(hidePair(piece))
		if query = query[len(piece):]; query != "" {
			out.WriteByte(query[0])
			query = query[1:]
		}
	}
	return out.String()
}

func hidePair(piece string) string {
	name, value, named := strings.Cut(piece, "=")
	switch {
	case piece == "":
		return ""
	case !named:
		return withheld("", piece)
	}
	return hideName(name) + "=" + withheld("", value)
}

// hideName is for the names of parameters and cookies: a person may have pasted a token
// where a name belongs.
func hideName(name string) string {
	return alphabet{slash: true}.hideRandom(hideJWTs(name))
}

// schemes are the HTTP authentication schemes whose credentials are recognised.
func schemes() []string {
	return []string{
		"Bearer", "Basic", "Digest", "Negotiate", "NTLM", "Kerberos", "DPoP", "GNAP", "HOBA", "Hawk",
		"Mutual", "OAuth", "PrivateToken", "SCRAM-SHA-1", "SCRAM-SHA-256", "AWS4-HMAC-SHA256",
	}
}

// hideAfterSchemes replaces the word after each Bearer or Basic.
func hideAfterSchemes(text string) string {
	var out strings.Builder
	for hide := false; text != ""; {
		word := strings.TrimLeft(text, " \t")
		out.WriteString(text[:len(text)-len(word)])
		if end := strings.IndexAny(word, " \t"); end >= 0 {
			word, text = word[:end], word[end:]
		} else {
			text = ""
		}
		if hide && word != "" {
			out.WriteString(hidden(word))
		} else {
			out.WriteString(word)
		}
		hide = endsAsScheme(word)
	}
	return out.String()
}

func endsAsScheme(word string) bool {
	for _, scheme := range []string{"bearer", "basic"} {
		if start := len(word) - len(scheme); start >= 0 && strings.EqualFold(word[start:], scheme) {
			return true
		}
	}
	return false
}
