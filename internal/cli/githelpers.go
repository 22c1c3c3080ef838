package cli

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gitFindings says which credential helpers git has for the hosts of a profile: each
// gets the token from git, and store writes it into a file in clear text.
func (e Env) gitFindings(p Profile) []finding {
	git, err := exec.LookPath("git")
	if err != nil || len(p.GitHosts) == 0 {
		return nil
	}
	settings, err := exec.Command(git, "config", "--null", "--get-regexp", `^credential\.(.*\.)?helper$`).Output() //nolint:gosec,noctx // reads files
	if err != nil {
		settings = nil // none is set
	}
	var findings []finding
	for _, host := range p.GitHosts {
		findings = append(findings, helperFinding(host, gitHelpers(string(settings), host)))
		if path := e.storedFor(host); path != "" {
			findings = append(findings, finding{
				verdictWrong, "git", path + " holds a credential of " + host + " in clear text", "remove its line there",
			})
		}
	}
	return findings
}

func helperFinding(host string, helpers []string) finding {
	ours, others := false, []string(nil)
	for _, helper := range helpers {
		if strings.Contains(helper, "token2go") {
			ours = true
		} else {
			others = append(others, helper)
		}
	}
	section := "git config --global "
	key := "credential.https://" + host + ".helper"
	recipe := section + "--replace-all " + key + " '' && " + section + "--add " + key + " '!token2go git-credential'"
	switch {
	case !ours:
		return finding{verdictNote, "git", "does not ask token2go for " + host, recipe}
	case len(others) == 0:
		return finding{verdictOK, "git", "asks token2go alone for " + host, ""}
	}
	for _, helper := range others {
		if strings.Fields(helper + " ")[0] == "store" || strings.Contains(helper, "credential-store") {
			return finding{verdictWrong, "git", "its helper store writes the token of " + host + " into ~/.git-credentials in clear text", recipe}
		}
	}
	return finding{verdictNote, "git", "also gives the token of " + host + " to: " + strings.Join(others, ", "), recipe}
}

// gitHelpers returns the helpers that git calls for a host: those of credential.helper
// and of the sections whose URL names the host, in the order of the files. An empty one
// takes those before it away (gitcredentials(7)).
func gitHelpers(settings, host string) []string {
	var helpers []string
	for setting := range strings.SplitSeq(settings, "\x00") {
		key, helper, _ := strings.Cut(setting, "\n")
		key = strings.TrimSuffix(strings.TrimPrefix(key, "credential."), "helper")
		switch section := strings.TrimSuffix(key, "."); {
		case setting == "" || section != "" && !sectionNames(section, host):
		case helper == "":
			helpers = nil
		default:
			helpers = append(helpers, helper)
		}
	}
	return helpers
}

// sectionNames reports whether the URL of a section is of a host. Its path and user are
// not compared, nor are patterns: more is reported rather than less.
func sectionNames(section, host string) bool {
	if !strings.Contains(section, "://") {
		section = "https://" + section
	}
	parsed, err := url.Parse(section)
	if err != nil {
		return false
	}
	return canonicalHost(parsed.Scheme, parsed.Host) == canonicalHost(parsed.Scheme, host) || strings.Contains(parsed.Host, "*")
}

// storedFor returns the file in which git's helper store keeps a credential of a host,
// or nothing.
func (e Env) storedFor(host string) string {
	home := e.Getenv("HOME")
	config := e.Getenv("XDG_CONFIG_HOME")
	if config == "" {
		config = filepath.Join(home, ".config")
	}
	for _, path := range []string{filepath.Join(home, ".git-credentials"), filepath.Join(config, "git", "credentials")} {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			stored, err := url.Parse(strings.TrimSpace(line))
			if err == nil && stored.User != nil && canonicalHost(stored.Scheme, stored.Host) == canonicalHost(stored.Scheme, host) {
				return path
			}
		}
	}
	return ""
}
