package cli

import (
	"slices"
	"testing"
)

func TestGitHelpersMatchWhatGitCalls(t *testing.T) {
	t.Parallel()
	const ours = "!token2go git-credential"
	for _, test := range []struct {
		name     string
		settings [][2]string
		want     []string
		verdict  string
	}{
		{"none", nil, nil, verdictNote},
		{"ours alone", [][2]string{{"credential.https://git.example.org.helper", ours}}, []string{ours}, verdictOK},
		{"beside a store for all", [][2]string{{"credential.helper", "store"}, {"credential.https://git.example.org.helper", ours}}, []string{"store", ours}, verdictWrong},
		{"beside a store under a path", [][2]string{{"credential.helper", "/usr/lib/git-core/git-credential-store"}, {"credential.helper", ours}}, []string{"/usr/lib/git-core/git-credential-store", ours}, verdictWrong},
		{"after an empty line", [][2]string{{"credential.helper", "store --file x"}, {"credential.https://git.example.org.helper", ""}, {"credential.https://git.example.org.helper", ours}}, []string{ours}, verdictOK},
		{"beside a keychain", [][2]string{{"credential.helper", "osxkeychain"}, {"credential.helper", ours}}, []string{"osxkeychain", ours}, verdictNote},
		{"another host's store", [][2]string{{"credential.https://other.example.org.helper", "store"}, {"credential.https://git.example.org:443/team.helper", ours}}, []string{ours}, verdictOK},
		{"a pattern", [][2]string{{"credential.https://*.example.org.helper", "store"}, {"credential.helper", ours}}, []string{"store", ours}, verdictWrong},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			settings := ""
			for _, setting := range test.settings {
				settings += setting[0] + "\n" + setting[1] + "\x00"
			}
			got := gitHelpers(settings, "git.example.org")
			if !slices.Equal(got, test.want) || helperFinding("git.example.org", got).Verdict != test.verdict {
				t.Errorf("got %q and %+v, want %q and %s", got, helperFinding("git.example.org", got), test.want, test.verdict)
			}
		})
	}
}
