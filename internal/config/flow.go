package config

import (
	"net/url"
	"slices"
	"strings"
)

// Flow is what the redirect flow may do.
type Flow struct {
	Targets []string `name:"T2G_FLOW_TARGETS" otherwise:"loopback only" allowed:"absolute https URLs without a query, separated by commas; a path segment * is any one segment, a last ** any rest" meaning:"Targets besides loopback that a sealed token may be sent to, after the person agreed." example:"https://hub.example.org/user/*/token2go/**"`
	Consent string   `name:"T2G_FLOW_CONSENT" oneof:"auto,always,never" default:"auto" meaning:"Whether a person is asked before a token goes to a program. Shared machines need always." example:"always"`
	Modes   []string `name:"T2G_FLOW_MODES" oneof:"query,form_post,page" default:"query,form_post,page" meaning:"Ways in which an answer may reach a program; page is pasting by hand." example:"query,form_post"`
	MaxURL  int      `name:"T2G_FLOW_MAX_URL" min:"512" max:"65536" default:"3072" meaning:"Length in bytes of a redirect's address above which the answer is posted, if the client left the choice." example:"2048"`
}

func (f Flow) warnings() []string {
	warnings := taken(
		risk{f.Consent == "never", "T2G_FLOW_CONSENT=never: a link on any website sends a signed-in person's token to a program on that person's computer, without a question"},
		risk{len(f.Modes) > 0 && !slices.Contains(f.Modes, "query"), "T2G_FLOW_MODES: without query, clients that ask for the triple get no token"},
	)
	for _, target := range f.Targets {
		if host, whole := wholeHost(target); whole {
			warnings = append(warnings, "T2G_FLOW_TARGETS: every page of "+host+" can receive tokens; narrow the pattern to the path of the programs")
		}
	}
	return warnings
}

// wholeHost reports whether every segment of the target's path is a wildcard.
func wholeHost(target string) (host string, whole bool) {
	parsed, err := url.Parse(target)
	if err != nil {
		return "", false
	}
	rest, open := strings.CutSuffix(parsed.Path, "/**")
	return parsed.Host, open && strings.Trim(rest, "/*") == ""
}
